// Prints one plain last line, `N passed, N failed`, for machines that look for it; vitest's own summary stays.
// A file that could not be loaded and an error outside of any test count as failed: a run that broke must
// never read as `0 failed`.

import type { Reporter, SerializedError, TestModule } from 'vitest/node'

export class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    let passed = 0
    let failed = unhandledErrors.length
    for (const module of modules) {
      let failedHere = 0
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state === 'passed') passed += 1
        if (state === 'failed') failedHere += 1
      }
      if (failedHere === 0 && module.state() === 'failed') failedHere = 1
      failed += failedHere
    }
    process.stdout.write(`\n${passed} passed, ${failed} failed\n`)
  }
}

// vitest loads a reporter by its default export.
export { SummaryReporter as default }
