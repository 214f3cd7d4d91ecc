// One attempt of a step: the user's function with its time-outs, heartbeat and abort signal. It always settles: an
// attempt that ignores its signal is given up, its late result is dropped.

import type { StandardSchemaV1 } from '@standard-schema/spec'
import { decode, encode } from '../core/codec.js'
import { durationMs } from '../core/duration.js'
import { CerebelumError } from '../core/errors.js'
import type { Clock } from '../core/ports.js'
import type { AttemptTrace } from '../metrics/tracing.js'
import type { StepCommand } from '../workflow/command.js'
import type { StepContext } from '../workflow/context.js'

export interface AttemptOptions {
  readonly command: StepCommand
  readonly trace: AttemptTrace | undefined
  readonly executionId: string
  readonly run: number
  readonly attempt: number
  /** Encoded. */
  readonly lastHeartbeat: string | undefined
  readonly payloadBytesMax: number
  /** What is left of the total time-out, if there is one. */
  readonly remainingMs: number | undefined
  readonly clock: Clock
  /** Called once, whatever becomes of the attempt: it no longer takes a slot. */
  readonly ended: () => void
  readonly settled: (result: AttemptResult) => void
}

export type AttemptResult =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: unknown; readonly final: boolean }

export class Attempt implements StepContext {
  /** Encoded at once: what the step does with its details afterwards must not change what is kept. */
  heartbeatGiven: string | undefined
  readonly begunMs: number
  private readonly options: AttemptOptions
  private controller: AbortController | undefined
  private cancels: (() => void)[] = []
  private watchHeartbeat: (() => void) | undefined
  private done = false

  constructor(options: AttemptOptions) {
    this.options = options
    this.begunMs = options.clock.monotonicMs()
    this.heartbeatGiven = options.lastHeartbeat
  }

  /** Runs the function; `settled` is called exactly once, unless the attempt is abandoned. */
  begin(): void {
    const { command, remainingMs } = this.options
    const { timeout, heartbeatTimeout } = command.options
    if (timeout !== undefined) this.limit(durationMs(timeout, 'step time-out'), 'time-out', false)
    if (remainingMs !== undefined) this.limit(remainingMs, 'total time-out', true)
    if (heartbeatTimeout !== undefined) this.armHeartbeat(durationMs(heartbeatTimeout, 'heartbeat time-out'))
    let result: unknown
    let isAwaited: boolean
    try {
      result = this.trace === undefined ? command.work(this) : this.trace.within(() => command.work(this))
      isAwaited = isThenable(result)
    } catch (error) {
      this.settle({ ok: false, error, final: false })
      return
    }
    if (!isAwaited) return this.check(result)
    Promise.resolve(result).then(
      (value) => this.check(value),
      (error: unknown) => this.settle({ ok: false, error, final: false }),
    )
  }

  get trace(): AttemptTrace | undefined {
    return this.options.trace
  }

  /** Aborts the signal; the attempt may still settle. */
  abort(reason: unknown): void {
    this.ensureController().abort(reason)
  }

  /** Of an attempt that was aborted: it ends with this error, unless it has ended by itself before. */
  giveUpAfter(ms: number, error: unknown): void {
    if (this.done) return
    this.cancels.push(this.options.clock.after(ms, () => this.settle({ ok: false, error, final: true })))
  }

  /** Aborts and never settles. */
  abandon(reason: unknown): void {
    if (!this.done) this.finish()
    this.abort(reason)
  }

  get executionId(): string {
    return this.options.executionId
  }
  get name(): string {
    return this.options.command.name
  }
  get attempt(): number {
    return this.options.attempt
  }
  get idempotencyKey(): string {
    return `${this.options.executionId}:${this.options.run}:${this.options.command.seq}`
  }
  get lastHeartbeat(): unknown {
    return decode(this.options.lastHeartbeat)
  }
  // Made on first use: most steps never look at it.
  get signal(): AbortSignal {
    return this.ensureController().signal
  }
  /** A function of its own, so that it can be taken out of the context. */
  get heartbeat(): (details?: unknown) => void {
    return (details) => {
      if (this.done) return
      const { payloadBytesMax } = this.options
      if (details !== undefined)
        this.heartbeatGiven = encode(details, `heartbeat of step "${this.name}"`, payloadBytesMax)
      this.watchHeartbeat?.()
    }
  }

  private ensureController(): AbortController {
    this.controller ??= new AbortController()
    return this.controller
  }

  private check(value: unknown): void {
    const { schema } = this.options.command.options
    if (schema === undefined) this.settle({ ok: true, value })
    else void this.validate(value, schema)
  }

  private async validate(value: unknown, schema: StandardSchemaV1): Promise<void> {
    try {
      const checked = await schema['~standard'].validate(value)
      if (checked.issues === undefined) return this.settle({ ok: true, value: checked.value })
      const text = checked.issues.map((issue) => issue.message).join('; ')
      const error = new CerebelumError(
        'INVALID_OUTPUT',
        `The result of step "${this.name}" does not match its schema: ${text}.`,
      )
      this.settle({ ok: false, error, final: false })
    } catch (error) {
      this.settle({ ok: false, error, final: false })
    }
  }

  private limit(ms: number, what: string, final: boolean): void {
    this.cancels.push(this.options.clock.after(ms, () => this.timeOut(what, ms, final)))
  }

  private armHeartbeat(ms: number): void {
    let cancel: (() => void) | undefined
    const arm = (): void => {
      cancel?.()
      cancel = this.options.clock.after(ms, () => this.timeOut('heartbeat time-out', ms, false))
    }
    this.watchHeartbeat = arm
    this.cancels.push(() => cancel?.())
    arm()
  }

  private timeOut(what: string, ms: number, final: boolean): void {
    const error = new CerebelumError(
      'STEP_TIMEOUT',
      `Attempt ${this.attempt} of step "${this.name}" of execution "${this.executionId}" exceeded its ${what} of ${Math.round(ms)} ms. ` +
        'It may still have taken effect: make it idempotent by step.idempotencyKey, or allow more time.',
      { executionId: this.executionId, step: this.name },
    )
    this.settle({ ok: false, error, final })
    this.abort(error)
  }

  private settle(result: AttemptResult): void {
    if (this.done) return
    this.finish()
    this.options.settled(result)
  }

  private finish(): void {
    if (this.done) return
    this.done = true
    for (const cancel of this.cancels) cancel()
    this.cancels = []
    this.options.ended()
  }
}

function isThenable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
