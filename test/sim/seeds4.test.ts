import { testSeeds } from "./shard.ts"

testSeeds(751, 1000)
