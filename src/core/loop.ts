// A loop is a service: one owner, `start` and `stop` (idempotent, waits until quiet), its own pace, bounded work per
// turn. It never starts from a constructor, and an error of a turn is logged and survived.

import type { Clock, Logger } from './ports.js'

export interface LoopOptions {
  readonly name: string
  readonly clock: Clock
  readonly log: Logger
  /** One bounded turn; returns the ms until the next one is due at the latest (0: at once). */
  readonly turn: () => Promise<number>
  /** Wait after a turn that threw. */
  readonly afterErrorMs: number
}

export class Loop {
  private readonly options: LoopOptions
  private running: Promise<void> | undefined
  private isStopping = false
  private isPoked = false
  private wakeUp: (() => void) | undefined

  constructor(options: LoopOptions) {
    this.options = options
  }

  start(): void {
    if (this.running !== undefined) return
    this.isStopping = false
    this.running = this.run()
  }

  /** Resolves when the turn under way has ended. */
  async stop(): Promise<void> {
    this.isStopping = true
    this.wakeUp?.()
    await this.running
    this.running = undefined
  }

  /** The next turn begins at once. */
  poke(): void {
    this.isPoked = true
    this.wakeUp?.()
  }

  private async run(): Promise<void> {
    while (!this.isStopping) {
      this.isPoked = false
      let waitMs: number
      try {
        waitMs = await this.options.turn()
      } catch (error) {
        this.options.log.warn({ err: error, loop: this.options.name }, 'a turn of a loop failed; it goes on')
        waitMs = this.options.afterErrorMs
      }
      await this.wait(waitMs)
    }
  }

  private wait(ms: number): Promise<void> {
    if (this.isStopping || this.isPoked) return new Promise((resolve) => setImmediate(resolve))
    return new Promise((resolve) => {
      const cancel = this.options.clock.after(ms, done)
      const wakeUp = (): void => {
        cancel()
        done()
      }
      const clear = (): void => {
        if (this.wakeUp === wakeUp) this.wakeUp = undefined
      }
      function done(): void {
        clear()
        resolve()
      }
      this.wakeUp = wakeUp
    })
  }
}
