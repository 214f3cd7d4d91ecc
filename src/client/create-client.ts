// The client over a store: checks what it is given, writes through lanes of its own, and waits in waiting rooms. With a
// host (an engine in the same process) it saves round trips; without one everything works the same, a little later.

import { decode, encode } from '../core/codec.js'
import { durationMs, type Duration } from '../core/duration.js'
import { CerebelumError } from '../core/errors.js'
import type { NewEvent, StartedDetail } from '../core/event.js'
import { isClosed, type ExecutionKey, type ExecutionStatus, type IdPolicy } from '../core/execution.js'
import { fromFailure, isFailure } from '../core/failure.js'
import { checkId, checkName, newId } from '../core/ids.js'
import type { Limits } from '../core/limits.js'
import type { MessageKind, NewMessage, Answer } from '../core/message.js'
import { randomHex, type Clock, type Logger } from '../core/ports.js'
import { Lane } from '../core/lane.js'
import type { ExecutionRow, MessageOutcome, StartOutcome, StartRow, Store } from '../store/store.js'
import { validate } from '../workflow/validate.js'
import type { Workflow } from '../workflow/define.js'
import type {
  Client,
  ExecutionDetails,
  ExecutionInfo,
  Handle,
  HistoryPage,
  ListFilter,
  ListPage,
  ResultOptions,
  StartOptions,
  StartRequest,
} from './client.js'
import { decodeCursor, encodeCursor } from './cursor.js'
import type { Host } from './host.js'
import { historyEvent, infoOf } from './render.js'
import { WaitingRoom } from './waiting-room.js'

export interface StoreClientOptions {
  readonly store: Store
  readonly limits: Limits
  readonly clock: Clock
  readonly log: Logger
  readonly host?: Host
  /** Called by `close`, after the client's own work has ended. */
  readonly onClose?: () => Promise<void>
}

interface Closed {
  readonly status: ExecutionStatus | 'missing'
  readonly payload: string | undefined
}

/** Closes the open run that a start with policy `replace` takes the id of. */
const REPLACED: NewEvent = { type: 'terminated', payload: '"replaced by a new start of its id"' }

const LANE_BATCH_MAX = 500
const LANE_QUEUE_MAX = 50_000
const WAITERS_MAX = 100_000
const RESULT_TIMEOUT_MS = 3_600_000
const ANSWER_TIMEOUT_MS = 30_000
/** What runs in this process is told when it closes; the query is only for what went elsewhere. */
const TOLD_FIRST_MS = 500
const HISTORY_PAGE = 1_000
const LIST_LIMIT_MAX = 1_000

export class StoreClient implements Client {
  private readonly options: StoreClientOptions
  private readonly starts: Lane<StartRow, StartOutcome>
  private readonly sends: Lane<NewMessage, MessageOutcome>
  private readonly results: WaitingRoom<ExecutionKey, Closed>
  private readonly answers: WaitingRoom<{ key: ExecutionKey; messageId: string }, Answer>
  private readonly unsubscribe: (() => void)[] = []
  private known = new Set<string>()

  constructor(options: StoreClientOptions) {
    this.options = options
    const { store, limits, clock, log, host } = options
    this.starts = new Lane({
      name: 'start',
      batchMax: LANE_BATCH_MAX,
      queueMax: LANE_QUEUE_MAX,
      write: (batch) => this.writeStarts(batch),
    })
    this.sends = new Lane({
      name: 'message',
      batchMax: LANE_BATCH_MAX,
      queueMax: LANE_QUEUE_MAX,
      write: (batch) => store.sendMessages(batch, limits.inboxMax),
    })
    const common = { clock, log, waitersMax: WAITERS_MAX }
    this.results = new WaitingRoom({ ...common, name: 'results', read: (keys) => this.readClosed(keys) })
    this.answers = new WaitingRoom({
      ...common,
      name: 'answers',
      read: (wanted) => store.readAnswers(wanted),
    })
    if (host === undefined) return
    this.unsubscribe.push(
      host.onClosed((id, status, payload) => this.results.tell(id, { status, payload })),
      host.onAnswered((id, messageId) => this.answers.hurry(`${id}\n${messageId}`)),
    )
  }

  // ---- starting

  start<I, O>(workflow: Workflow<I, O>, input: NoInfer<I>, options?: StartOptions): Promise<Handle<O>>
  start(workflow: string, input?: unknown, options?: StartOptions): Promise<Handle>
  async start(workflow: Workflow | string, input?: unknown, options: StartOptions = {}): Promise<Handle> {
    const { idPolicy, transaction, ...request } = options
    const row = await this.startRow({ ...request, workflow, input })
    if (transaction !== undefined) {
      const [outcome] = await this.options.store.insertExecutionsWithin(transaction, [row])
      return this.started(row, outcome, idPolicy)
    }
    return this.started(row, await this.submitStart(row), idPolicy)
  }

  async startMany(requests: readonly StartRequest[]): Promise<Handle[]> {
    const { startManyMax } = this.options.limits
    if (requests.length > startManyMax) {
      throw new CerebelumError(
        'TOO_MANY',
        `startMany got ${requests.length} requests, over the limit startManyMax of ${startManyMax}. Split the call.`,
        { limit: 'startManyMax' },
      )
    }
    const rows: StartRow[] = []
    for (const request of requests) rows.push(await this.startRow(request))
    const outcomes = await Promise.all(rows.map((row) => this.submitStart(row)))
    return Promise.all(rows.map((row, index) => this.started(row, outcomes[index], 'return-existing')))
  }

  private async startRow(request: StartRequest): Promise<StartRow> {
    const { limits, store, host } = this.options
    const name = typeof request.workflow === 'string' ? request.workflow : request.workflow.name
    checkName(name, 'workflow name', limits.nameCharactersMax)
    const definition = typeof request.workflow === 'string' ? host?.definition(name) : request.workflow
    if (definition === undefined && !(await this.isRegistered(name))) {
      throw new CerebelumError(
        'UNKNOWN_WORKFLOW',
        `No node ever registered a workflow "${name}". Start a node that has it, or check the name.`,
        {
          workflow: name,
        },
      )
    }
    const executionId =
      request.id === undefined ? newId() : checkId(request.id, 'execution id', limits.idCharactersMax)
    const input = await validate(
      definition?.options.input,
      request.input,
      `input of workflow "${name}"`,
      'INVALID_INPUT',
      { workflow: name },
    )
    const payload = encode(input, `input of execution "${executionId}"`, limits.payloadBytesMax)
    const startAt = startAtOf(request.startAfter, this.options.clock)
    const workflowVersion = definition?.version ?? '1'
    const detail: StartedDetail = {
      workflow: name,
      workflowVersion,
      run: 1,
      ...(startAt === undefined ? {} : { startAt: startAt.toISOString() }),
      ...(request.attributes === undefined ? {} : { attributes: request.attributes }),
    }
    return {
      key: store.keyOf(executionId),
      workflow: name,
      workflowVersion,
      startId: request.id === undefined ? null : (request.startId ?? randomHex(8)),
      claimedBy: null,
      ...(startAt === undefined ? {} : { startAt }),
      ...(request.attributes === undefined ? {} : { attributes: request.attributes }),
      event: {
        type: 'started',
        name,
        detail: JSON.stringify(detail),
        ...(payload === undefined ? {} : { payload }),
      },
    }
  }

  private submitStart(row: StartRow): Promise<StartOutcome> {
    return this.starts.submit(row)
  }

  private async writeStarts(batch: readonly StartRow[]): Promise<StartOutcome[]> {
    const { store, host } = this.options
    const rows = batch.map((row) =>
      row.startAt === undefined ? { ...row, claimedBy: host?.claimant(row.workflow) ?? null } : row,
    )
    let outcomes: StartOutcome[]
    try {
      outcomes = await store.insertExecutions(rows)
    } catch (error) {
      for (const row of rows) host?.startFailed(row)
      throw error
    }
    for (const [index, row] of rows.entries()) {
      const outcome = outcomes[index]
      if (outcome === undefined) throw new CerebelumError('INTERNAL', 'A start got no outcome.')
      host?.started(row, outcome)
    }
    return outcomes
  }

  private async started(
    row: StartRow,
    outcome: StartOutcome | undefined,
    idPolicy: IdPolicy = 'return-existing',
  ): Promise<Handle> {
    const { executionId } = row.key
    if (outcome === undefined)
      throw new CerebelumError('INTERNAL', `The start of "${executionId}" got no outcome.`)
    if (outcome.kind === 'created') return this.handle(executionId, true)
    const { row: existing } = outcome
    switch (idPolicy) {
      case 'return-existing':
        return this.handle(executionId, false)
      case 'reject':
        throw new CerebelumError(
          'EXECUTION_EXISTS',
          `Execution "${executionId}" exists already (${existing.status}). Choose another id, or another idPolicy.`,
          { executionId },
        )
      case 'allow-after-close':
        return isClosed(existing.status)
          ? this.restart(row, existing, idPolicy)
          : this.handle(executionId, false)
      case 'replace':
        return this.restart(row, existing, idPolicy)
    }
  }

  private async restart(row: StartRow, existing: ExecutionRow, idPolicy: IdPolicy): Promise<Handle> {
    const detail: StartedDetail = {
      workflow: row.workflow,
      workflowVersion: row.workflowVersion,
      run: existing.run + 1,
      ...(row.startAt === undefined ? {} : { startAt: row.startAt.toISOString() }),
      ...(row.attributes === undefined ? {} : { attributes: row.attributes }),
    }
    const outcome = await this.options.store.restart({
      ...row,
      expectedRun: existing.run,
      event: { ...row.event, detail: JSON.stringify(detail) },
      ...(isClosed(existing.status) ? {} : { close: REPLACED }),
    })
    if (outcome.kind === 'created') {
      this.options.host?.poke([row.key])
      return this.handle(row.key.executionId, true)
    }
    // Somebody else was faster: judge again by what is there now.
    const next = outcome.kind === 'conflict' ? await this.submitStart(row) : outcome
    if (next.kind === 'exists' && next.row.run === existing.run) {
      throw new CerebelumError(
        'CONFLICT',
        `Execution "${row.key.executionId}" changed while it was being started. Try again.`,
        {
          executionId: row.key.executionId,
          retryAfterMs: 100,
        },
      )
    }
    return this.started(row, next, idPolicy === 'replace' ? 'return-existing' : idPolicy)
  }

  private handle(executionId: string, created: boolean): Handle<never> {
    return {
      executionId,
      created,
      // The types of a handle are the workflow's promise.
      result: (options) =>
        this.wait(
          executionId,
          options,
          created && this.options.host !== undefined ? TOLD_FIRST_MS : 0,
        ) as Promise<never>,
    }
  }

  private async isRegistered(name: string): Promise<boolean> {
    if (this.known.has(name)) return true
    this.known = new Set((await this.options.store.readDefinitions()).map(({ workflow }) => workflow))
    return this.known.has(name)
  }

  // ---- reading

  async get(executionId: string): Promise<ExecutionDetails> {
    const row = await this.row(executionId)
    const { store } = this.options
    const [[started] = []] = await store.readHistories([{ key: row.key, from: row.runVersion }], 1)
    const base = { ...infoOf(row), input: decode(started?.payload) }
    if (!isClosed(row.status)) return base
    const [[last] = []] = await store.readHistories([{ key: row.key, from: row.version }], 1)
    const value = decode(last?.payload)
    if (row.status === 'completed') return { ...base, result: value }
    return {
      ...base,
      failure: isFailure(value) ? value : { type: row.status, message: reasonOf(value) },
    }
  }

  async list(filter: ListFilter = {}): Promise<ListPage> {
    const limit = Math.min(Math.max(Math.trunc(filter.limit ?? 100), 1), LIST_LIMIT_MAX)
    const statuses = filter.status === undefined ? undefined : [filter.status].flat()
    const rows = await this.options.store.list({
      limit: limit + 1,
      ...(filter.workflow === undefined ? {} : { workflow: filter.workflow }),
      ...(statuses === undefined ? {} : { statuses }),
      ...(filter.startedAfter === undefined ? {} : { startedAfter: filter.startedAfter }),
      ...(filter.startedBefore === undefined ? {} : { startedBefore: filter.startedBefore }),
      ...(filter.parentId === undefined ? {} : { parentId: filter.parentId }),
      ...(filter.attributes === undefined ? {} : { attributes: filter.attributes }),
      ...(filter.cursor === undefined ? {} : { after: decodeCursor(filter.cursor) }),
    })
    const executions: ExecutionInfo[] = rows.slice(0, limit).map(infoOf)
    const last = executions.at(-1)
    return rows.length > limit && last !== undefined
      ? { executions, cursor: encodeCursor(last) }
      : { executions }
  }

  async history(
    executionId: string,
    page: { readonly after?: number; readonly limit?: number } = {},
  ): Promise<HistoryPage> {
    const row = await this.row(executionId)
    const limit = Math.min(Math.max(Math.trunc(page.limit ?? HISTORY_PAGE), 1), HISTORY_PAGE)
    const from = Math.max(0, page.after ?? 0) + 1
    const [events = []] = await this.options.store.readHistories([{ key: row.key, from }], limit)
    const last = events.at(-1)
    const rendered = events.map(historyEvent)
    return events.length === limit && last !== undefined
      ? { events: rendered, next: last.version }
      : { events: rendered }
  }

  result(executionId: string, options?: ResultOptions): Promise<unknown> {
    return this.wait(executionId, options, 0)
  }

  private async wait(executionId: string, options: ResultOptions = {}, firstMs: number): Promise<unknown> {
    const { limits, store } = this.options
    checkId(executionId, 'execution id', limits.idCharactersMax)
    const timeoutMs =
      options.timeout === undefined
        ? RESULT_TIMEOUT_MS
        : durationMs(options.timeout, 'time to wait for a result')
    const closed = await this.results.wait(executionId, store.keyOf(executionId), {
      timeoutMs,
      firstMs,
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      onTimeout: () =>
        new CerebelumError(
          'RESULT_TIMEOUT',
          `Execution "${executionId}" did not end within ${timeoutMs} ms. It goes on; ask again later.`,
          {
            executionId,
          },
        ),
    })
    return outcomeOf(executionId, closed)
  }

  private async readClosed(keys: readonly ExecutionKey[]): Promise<(Closed | null)[]> {
    const { store } = this.options
    const rows = await store.readExecutions(keys)
    const ended = rows.flatMap((row) => (row !== null && isClosed(row.status) ? [row] : []))
    const events =
      ended.length === 0
        ? []
        : await store.readHistories(
            ended.map((row) => ({ key: row.key, from: row.version })),
            1,
          )
    const payloads = new Map(ended.map((row, index) => [row.key.executionId, events[index]?.[0]?.payload]))
    return rows.map((row) => {
      if (row === null) return { status: 'missing', payload: undefined }
      return isClosed(row.status) ? { status: row.status, payload: payloads.get(row.key.executionId) } : null
    })
  }

  private async row(executionId: string): Promise<ExecutionRow> {
    const { store, limits } = this.options
    checkId(executionId, 'execution id', limits.idCharactersMax)
    const [row] = await store.readExecutions([store.keyOf(executionId)])
    if (row === null || row === undefined) throw notFound(executionId)
    return row
  }

  // ---- messages

  async signal(
    executionId: string,
    name: string,
    payload?: unknown,
    options: { readonly signalId?: string } = {},
  ): Promise<void> {
    checkName(name, 'signal name', this.options.limits.nameCharactersMax)
    const schema = await this.signalSchema(executionId, name)
    const value = await validate(schema, payload, `payload of signal "${name}"`, 'INVALID_INPUT', {
      executionId,
    })
    await this.send(executionId, 'signal', name, value, options.signalId)
  }

  private async signalSchema(executionId: string, name: string): Promise<Parameters<typeof validate>[0]> {
    const { host } = this.options
    if (host === undefined || !host.declaresSignal(name)) return undefined
    const row = await this.row(executionId)
    return host.definition(row.workflow)?.options.signals?.[name]
  }

  async query(
    executionId: string,
    name: string,
    args?: unknown,
    options: { readonly timeout?: Duration } = {},
  ): Promise<unknown> {
    const { limits, host } = this.options
    checkId(executionId, 'execution id', limits.idCharactersMax)
    checkName(name, 'query name', limits.nameCharactersMax)
    const local = await host?.query(executionId, name, args)
    if (local !== undefined) return local.value
    const row = await this.row(executionId)
    if (isClosed(row.status)) {
      throw new CerebelumError(
        'QUERY_UNAVAILABLE',
        `Execution "${executionId}" is closed and this process does not have workflow "${row.workflow}". Ask a node that has it.`,
        { executionId },
      )
    }
    const messageId = `query:${randomHex(12)}`
    await this.send(executionId, 'query', name, args, messageId)
    const answer = await this.answer(executionId, messageId, options.timeout, 'QUERY_UNAVAILABLE')
    if (answer.ok) return decode(answer.payload)
    throw fromFailure(decode(answer.payload))
  }

  async update(
    executionId: string,
    name: string,
    payload?: unknown,
    options: { readonly updateId?: string; readonly timeout?: Duration } = {},
  ): Promise<unknown> {
    checkName(name, 'update name', this.options.limits.nameCharactersMax)
    const messageId = options.updateId ?? `update:${randomHex(12)}`
    await this.send(executionId, 'update', name, payload, messageId)
    const answer = await this.answer(executionId, messageId, options.timeout, 'UPDATE_TIMEOUT')
    if (answer.ok) return decode(answer.payload)
    const cause = fromFailure(decode(answer.payload))
    throw new CerebelumError(
      'UPDATE_REJECTED',
      `Update "${name}" of execution "${executionId}" was refused: ${cause.message}`,
      {
        executionId,
        cause,
      },
    )
  }

  private async answer(
    executionId: string,
    messageId: string,
    timeout: Duration | undefined,
    code: 'QUERY_UNAVAILABLE' | 'UPDATE_TIMEOUT',
  ): Promise<Answer> {
    const timeoutMs =
      timeout === undefined ? ANSWER_TIMEOUT_MS : durationMs(timeout, 'time to wait for an answer')
    return this.answers.wait(
      `${executionId}\n${messageId}`,
      { key: this.options.store.keyOf(executionId), messageId },
      {
        timeoutMs,
        firstMs: 0,
        onTimeout: () =>
          new CerebelumError(
            code,
            `Execution "${executionId}" did not answer within ${timeoutMs} ms. Ask again with the same id.`,
            {
              executionId,
            },
          ),
      },
    )
  }

  async cancel(executionId: string, reason = 'requested'): Promise<void> {
    await this.send(executionId, 'cancel', 'cancel', reason, undefined)
  }

  async pause(executionId: string): Promise<void> {
    await this.send(executionId, 'pause', 'pause', undefined, undefined)
  }

  private async send(
    executionId: string,
    kind: MessageKind,
    name: string,
    value: unknown,
    id: string | undefined,
  ): Promise<void> {
    const { limits, store, host } = this.options
    checkId(executionId, 'execution id', limits.idCharactersMax)
    const messageId =
      id === undefined ? `${kind}:${randomHex(12)}` : checkId(id, `${kind} id`, limits.idCharactersMax)
    const payload = encode(value, `payload of ${kind} "${name}"`, limits.payloadBytesMax)
    const key = store.keyOf(executionId)
    const outcome = await this.sends.submit({
      key,
      messageId,
      kind,
      name,
      ...(payload === undefined ? {} : { payload }),
    })
    switch (outcome) {
      case 'accepted':
        host?.poke([key])
        return
      case 'duplicate':
        return
      case 'not_found':
        throw notFound(executionId)
      case 'closed':
        throw new CerebelumError(
          'EXECUTION_CLOSED',
          `Execution "${executionId}" is closed: the ${kind} "${name}" did not reach it.`,
          {
            executionId,
          },
        )
      case 'full':
        throw new CerebelumError(
          'TOO_MANY',
          `The inbox of execution "${executionId}" holds ${limits.inboxMax} unread messages (limit inboxMax). Let it catch up and send again.`,
          { executionId, limit: 'inboxMax', retryAfterMs: 1_000 },
        )
    }
  }

  // ---- single transitions

  async terminate(executionId: string, reason = 'requested'): Promise<void> {
    const payload = encode(reason, 'reason', this.options.limits.payloadBytesMax)
    const outcome = await this.options.store.terminate(this.key(executionId), {
      type: 'terminated',
      ...(payload === undefined ? {} : { payload }),
    })
    if (outcome === 'not_found') throw notFound(executionId)
    this.results.hurry(executionId)
    this.options.host?.poke([])
  }

  resume(executionId: string): Promise<void> {
    return this.bringBack(executionId)
  }

  retry(executionId: string): Promise<void> {
    return this.bringBack(executionId)
  }

  private async bringBack(executionId: string): Promise<void> {
    const key = this.key(executionId)
    const outcome = await this.options.store.resume(key, { type: 'resumed' })
    if (outcome === 'not_found') throw notFound(executionId)
    if (outcome === 'not_resumable') {
      const { status } = await this.row(executionId)
      throw new CerebelumError(
        'EXECUTION_NOT_RESUMABLE',
        `Execution "${executionId}" is ${status}: only paused, blocked and dead ones can be brought back.`,
        { executionId },
      )
    }
    this.options.host?.poke([key])
  }

  async delete(executionId: string): Promise<void> {
    const outcome = await this.options.store.remove(this.key(executionId))
    if (outcome === 'not_found') throw notFound(executionId)
    if (outcome === 'open') {
      throw new CerebelumError(
        'EXECUTION_NOT_CLOSED',
        `Execution "${executionId}" is still open. Terminate it before you delete it.`,
        {
          executionId,
        },
      )
    }
  }

  private key(executionId: string): ExecutionKey {
    checkId(executionId, 'execution id', this.options.limits.idCharactersMax)
    return this.options.store.keyOf(executionId)
  }

  workflows(): Promise<{ readonly workflow: string; readonly version: string }[]> {
    return this.options.store.readDefinitions()
  }

  async ping(): Promise<number> {
    const begunMs = this.options.clock.monotonicMs()
    await this.options.store.ping()
    return this.options.clock.monotonicMs() - begunMs
  }

  async close(): Promise<void> {
    for (const unsubscribe of this.unsubscribe) unsubscribe()
    await Promise.all([this.starts.idle(), this.sends.idle(), this.results.stop(), this.answers.stop()])
    await this.options.onClose?.()
  }
}

function outcomeOf(executionId: string, { status, payload }: Closed): unknown {
  switch (status) {
    case 'completed':
      return decode(payload)
    case 'missing':
      throw notFound(executionId)
    case 'terminated':
      throw new CerebelumError(
        'EXECUTION_TERMINATED',
        `Execution "${executionId}" was terminated: ${reasonOf(decode(payload))}.`,
        {
          executionId,
        },
      )
    case 'canceled':
      throw new CerebelumError('EXECUTION_CANCELED', `Execution "${executionId}" was canceled.`, {
        executionId,
        cause: fromFailure(decode(payload)),
      })
    default: {
      const cause = fromFailure(decode(payload))
      throw new CerebelumError('EXECUTION_FAILED', `Execution "${executionId}" failed: ${cause.message}`, {
        executionId,
        cause,
      })
    }
  }
}

function reasonOf(value: unknown): string {
  return typeof value === 'string' ? value : 'no reason given'
}

function notFound(executionId: string): CerebelumError {
  return new CerebelumError(
    'EXECUTION_NOT_FOUND',
    `There is no execution "${executionId}". Check the id; a deleted one is gone.`,
    {
      executionId,
    },
  )
}

/** A span is counted from now by this machine's clock: it only says when to begin, not who may. */
function startAtOf(startAfter: Duration | Date | undefined, clock: Clock): Date | undefined {
  if (startAfter === undefined) return undefined
  if (!(startAfter instanceof Date)) return new Date(clock.wallMs() + durationMs(startAfter, 'time to start'))
  if (Number.isNaN(startAfter.getTime())) {
    throw new CerebelumError('INVALID_DURATION', 'startAfter is an invalid Date. Check how it was made.')
  }
  return startAfter
}
