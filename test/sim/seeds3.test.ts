import { testSeeds } from "./shard.ts"

testSeeds(501, 750)
