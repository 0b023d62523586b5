import { testSeeds } from "./shard.ts"

testSeeds(501, 1000)
