import { testSeeds } from "./shard.ts"

testSeeds(251, 500)
