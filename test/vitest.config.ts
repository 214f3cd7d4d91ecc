// How the tests run: every file in a process of its own, two at a time, against one real database that
// `global-setup` provides (CEREBELUM_TEST_DATABASE_URL, else the embedded PostgreSQL).
// A test must never depend on another file: isolate by schema with `createTestDatabase`.

import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts', 'bench/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    reporters: ['default', './test/support/summary-reporter.ts'],
    pool: 'forks',
    // Two: the machines of CI have two cores, and the database needs its share of them.
    maxWorkers: 2,
    testTimeout: 30_000,
    // CockroachDB needs seconds for the DDL of a fresh schema.
    hookTimeout: 120_000,
    teardownTimeout: 60_000,
    restoreMocks: true,
    unstubEnvs: true,
  },
})
