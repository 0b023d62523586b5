import { testSeeds } from "./shard.ts"

testSeeds(1, 250)
