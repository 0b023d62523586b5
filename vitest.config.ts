import { defineConfig } from "vitest/config"

/** They boot machines: they come after the others, which then have the processors to themselves. */
const guests = "test/guest/**/*.test.ts"

export default defineConfig({
  test: {
    // Two cores are what a CI machine has; system tests start whole daemons.
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: "systemapi",
          include: ["test/**/*.test.ts"],
          exclude: [guests],
          testTimeout: 60_000,
          hookTimeout: 60_000
        }
      },
      {
        test: {
          name: "guest",
          include: [guests],
          globalSetup: "test/guest/harness/setup.ts",
          sequence: { groupOrder: 1 },
          testTimeout: 120_000,
          hookTimeout: 180_000
        }
      }
    ]
  }
})
