// Messages to executions: signals, updates, queries, requests to cancel or pause. They go through a lane of their own;
// answers are waited for in a room of their own.

import { decode, encode } from '../core/codec.js'
import { durationMs, type Duration } from '../core/duration.js'
import { CerebelumError } from '../core/errors.js'
import { isClosed, type ExecutionKey, type ExecutionStatus } from '../core/execution.js'
import { fromFailure } from '../core/failure.js'
import { checkId, checkName } from '../core/ids.js'
import { Lane } from '../core/lane.js'
import type { Limits } from '../core/limits.js'
import type { Answer, MessageKind, NewMessage } from '../core/message.js'
import { randomHex, type Clock, type Logger } from '../core/ports.js'
import type { ExecutionRow, MessageOutcome, Store } from '../store/store.js'
import { validate } from '../workflow/validate.js'
import { checkReason } from './arguments.js'
import type { Host } from './host.js'
import { closed, notFound } from './refusals.js'
import { WaitingRoom } from './waiting-room.js'

export interface MessengerOptions {
  readonly store: Store
  readonly limits: Limits
  readonly clock: Clock
  readonly log: Logger
  readonly host?: Host
  /** @throws CerebelumError INVALID_ID | EXECUTION_NOT_FOUND */
  readonly row: (executionId: string) => Promise<ExecutionRow>
}

interface Asked {
  readonly key: ExecutionKey
  readonly messageId: string
}

/** The execution is closed, or gone, and never answered. */
interface Silence {
  readonly status: ExecutionStatus | 'missing'
}

const BATCH_MAX = 500
const ANSWER_TIMEOUT_MS = 30_000
/** Statuses in which nothing answers until its turn has come, or a person or new code brings the execution back. */
const SILENT: ReadonlySet<ExecutionStatus> = new Set<ExecutionStatus>(['queued', 'paused', 'blocked', 'dead'])

export class Messenger {
  private readonly options: MessengerOptions
  private readonly lane: Lane<NewMessage, MessageOutcome>
  private readonly answers: WaitingRoom<Asked, Answer | Silence>
  private readonly unsubscribe: (() => void) | undefined

  constructor(options: MessengerOptions) {
    this.options = options
    const { store, limits, clock, log, host } = options
    this.lane = new Lane({
      name: 'message',
      batchMax: BATCH_MAX,
      queueMax: limits.laneQueueMax,
      bytesMax: limits.laneBytesMax,
      sizeOf: (message) => message.payload?.length ?? 0,
      write: (batch) => store.sendMessages(batch, limits.inboxMax),
    })
    this.answers = new WaitingRoom({
      name: 'answers',
      clock,
      log,
      waitersMax: limits.waitersMax,
      read: (asked) => this.readAnswers(asked),
    })
    this.unsubscribe = host?.onAnswered((id, messageId) => this.answers.hurry(roomId(id, messageId)))
  }

  async signal(executionId: string, name: string, payload: unknown, signalId?: string): Promise<void> {
    checkName(name, 'signal name', this.options.limits.nameCharactersMax)
    const schema = await this.signalSchema(executionId, name)
    // Checked here for the sender's sake; what is sent is what was given, because the wait applies the schema again.
    await validate(schema, payload, `payload of signal "${name}"`, 'INVALID_INPUT', { executionId })
    await this.send(executionId, { kind: 'signal', name, value: payload, id: signalId })
  }

  async query(
    executionId: string,
    name: string,
    args: unknown,
    options: { readonly timeout?: Duration },
  ): Promise<unknown> {
    const { limits, host, row: readRow } = this.options
    checkId(executionId, 'execution id', limits.idCharactersMax)
    checkName(name, 'query name', limits.nameCharactersMax)
    encode(args, `arguments of query "${name}"`, limits.payloadBytesMax)
    const timeoutMs = answerTimeoutMs(options.timeout)
    const local = await host?.query(executionId, name, args)
    if (local !== undefined) return local.value
    const { status, workflow } = await readRow(executionId)
    if (isClosed(status) || SILENT.has(status)) {
      throw new CerebelumError(
        'QUERY_UNAVAILABLE',
        `Execution "${executionId}" is ${status} and this process does not have workflow "${workflow}" to replay it. ` +
          'Ask a node that has it.',
        { executionId, status },
      )
    }
    const messageId = await this.send(executionId, { kind: 'query', name, value: args })
    const answer = await this.answer(executionId, messageId, {
      timeoutMs,
      onTimeout: () =>
        new CerebelumError(
          'QUERY_UNAVAILABLE',
          `Execution "${executionId}" did not answer query "${name}" within ${timeoutMs} ms. Is a node running that has its workflow?`,
          { executionId },
        ),
    })
    if (answer.ok) return decode(answer.payload)
    throw fromFailure(decode(answer.payload))
  }

  async update(
    executionId: string,
    name: string,
    payload: unknown,
    options: { readonly updateId?: string; readonly timeout?: Duration },
  ): Promise<unknown> {
    checkName(name, 'update name', this.options.limits.nameCharactersMax)
    const timeoutMs = answerTimeoutMs(options.timeout)
    const updateId = options.updateId ?? randomHex(12)
    const messageId = await this.send(executionId, { kind: 'update', name, value: payload, id: updateId })
    const answer = await this.answer(executionId, messageId, {
      timeoutMs,
      onTimeout: () =>
        new CerebelumError(
          'UPDATE_TIMEOUT',
          `Execution "${executionId}" did not answer update "${name}" within ${timeoutMs} ms: it is busy or paused, no node ` +
            `runs it, or it has no such update (yet). The update stays queued: ask again with updateId "${updateId}".`,
          { executionId, updateId },
        ),
    })
    if (answer.ok) return decode(answer.payload)
    const cause = fromFailure(decode(answer.payload))
    const isEnded = cause instanceof CerebelumError && cause.code === 'EXECUTION_CLOSED'
    if (isEnded && cause.details.executionId === executionId) throw cause
    throw new CerebelumError(
      'UPDATE_REJECTED',
      `Update "${name}" of execution "${executionId}" was refused: ${cause.message}`,
      { executionId, cause },
    )
  }

  /** Canceling what is canceled already is no news: a blind retry must not fail. */
  async cancel(executionId: string, reason: string, id?: string): Promise<void> {
    try {
      await this.send(executionId, { kind: 'cancel', name: 'cancel', value: checkReason(reason), id })
    } catch (error) {
      const isClosedNow = error instanceof CerebelumError && error.code === 'EXECUTION_CLOSED'
      if (!isClosedNow || error.details['status'] !== 'canceled') throw error
    }
  }

  async pause(executionId: string, id?: string): Promise<void> {
    await this.send(executionId, { kind: 'pause', name: 'pause', value: undefined, id })
  }

  async stop(): Promise<void> {
    this.unsubscribe?.()
    await Promise.all([this.lane.idle(), this.answers.stop()])
  }

  // ---- inside

  private async signalSchema(executionId: string, name: string): Promise<Parameters<typeof validate>[0]> {
    const { host, row } = this.options
    if (host === undefined || !host.declaresSignal(name)) return undefined
    const { workflow } = await row(executionId)
    return host.definition(workflow)?.options.signals?.[name]
  }

  /** Resolves with the id of the message, once it is in the inbox. */
  private async send(
    executionId: string,
    message: {
      readonly kind: MessageKind
      readonly name: string
      readonly value: unknown
      readonly id?: string | undefined
    },
  ): Promise<string> {
    const { limits, store, host } = this.options
    const { kind, name, value, id } = message
    checkId(executionId, 'execution id', limits.idCharactersMax)
    if (id !== undefined) checkId(id, `${kind} id`, limits.idCharactersMax)
    // Apart by kind: a signal is no repetition of an update that has the same id, nor of a message of the engine's own.
    const messageId = messageIdOf(kind, id ?? randomHex(12))
    const what = kind === name ? kind : `${kind} "${name}"`
    const payload = encode(value, `payload of ${what}`, limits.payloadBytesMax)
    const key = store.keyOf(executionId)
    const outcome = await this.lane.submit({
      key,
      messageId,
      kind,
      name,
      ...(payload === undefined ? {} : { payload }),
    })
    if (outcome === 'accepted') host?.poke([key])
    else if (outcome !== 'duplicate') throw await this.refusal(executionId, what, outcome)
    return messageId
  }

  private async refusal(
    executionId: string,
    what: string,
    outcome: 'closed' | 'not_found' | 'full',
  ): Promise<CerebelumError> {
    if (outcome === 'not_found') return notFound(executionId)
    if (outcome === 'closed') {
      const { status } = await this.options.row(executionId)
      return closed(executionId, `the ${what} did not reach it`, status)
    }
    const { inboxMax } = this.options.limits
    return new CerebelumError(
      'TOO_MANY',
      `The inbox of execution "${executionId}" holds ${inboxMax} unread messages (limit inboxMax). Let it catch up and send again.`,
      { executionId, limit: 'inboxMax', retryAfterMs: 1_000 },
    )
  }

  private async answer(
    executionId: string,
    messageId: string,
    options: { readonly timeoutMs: number; readonly onTimeout: () => Error },
  ): Promise<Answer> {
    const key = this.options.store.keyOf(executionId)
    const answer = await this.answers.wait(
      roomId(executionId, messageId),
      { key, messageId },
      { ...options, firstMs: 0 },
    )
    if ('ok' in answer) return answer
    if (answer.status === 'missing') throw notFound(executionId)
    throw closed(executionId, 'it ended without an answer', answer.status)
  }

  private async readAnswers(asked: readonly Asked[]): Promise<(Answer | Silence | null)[]> {
    const { store } = this.options
    const answers = await store.readAnswers(asked)
    const open = asked.filter((_, index) => answers[index] === null)
    if (open.length === 0) return answers
    const rows = await store.readExecutions(open.map(({ key }) => key))
    const silent = new Map<Asked, Silence>()
    for (const [index, one] of open.entries()) {
      const row = rows[index] ?? null
      if (row === null || isClosed(row.status)) silent.set(one, { status: row?.status ?? 'missing' })
    }
    // Asked once more: the append that closed it may have answered.
    const last = await store.readAnswers([...silent.keys()])
    const late = new Map([...silent.keys()].map((one, index) => [one, last[index] ?? null]))
    return asked.map((one, index) => answers[index] ?? late.get(one) ?? silent.get(one) ?? null)
  }
}

function messageIdOf(kind: MessageKind, id: string): string {
  return `${kind}:${id}`
}

function roomId(executionId: string, messageId: string): string {
  return `${executionId}\n${messageId}`
}

function answerTimeoutMs(timeout: Duration | undefined): number {
  return timeout === undefined ? ANSWER_TIMEOUT_MS : durationMs(timeout, 'time to wait for an answer')
}
