// What must be closed at the end, in the reverse order of its making, whatever happened in between. One that fails
// is logged and hinders none of the others.

import type { Logger } from '../core/ports.js'

interface Entry {
  readonly what: string
  readonly close: () => Promise<unknown>
}

export class Cleanup {
  private readonly log: Logger
  private readonly entries: Entry[] = []

  constructor(log: Logger) {
    this.log = log
  }

  add(what: string, close: () => Promise<unknown>): void {
    this.entries.push({ what, close })
  }

  async run(): Promise<void> {
    for (let entry = this.entries.pop(); entry !== undefined; entry = this.entries.pop()) {
      const { what, close } = entry
      await close().catch((error: unknown) => this.log.warn({ err: error, what }, 'could not be closed'))
    }
  }
}
