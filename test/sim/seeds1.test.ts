import { testSeeds } from "./shard.ts"

testSeeds(1, 500)
