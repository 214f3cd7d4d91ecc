// The client over a store: checks what it is given, writes through lanes, and waits in waiting rooms. With a host (an
// engine in the same process) it saves round trips; without one everything works the same, a little later.

import { decode, encode } from '../core/codec.js'
import { settledWithin } from '../core/deadline.js'
import type { Duration } from '../core/duration.js'
import { CerebelumError } from '../core/errors.js'
import { isClosed, type ExecutionKey } from '../core/execution.js'
import { isFailure } from '../core/failure.js'
import type { NewEvent } from '../core/event.js'
import { checkId, checkName } from '../core/ids.js'
import type { Limits } from '../core/limits.js'
import type { Clock, Logger } from '../core/ports.js'
import type { Meters } from '../metrics/meters.js'
import type { ExecutionRow, Store } from '../store/store.js'
import type { Workflow } from '../workflow/define.js'
import { checkReason, checkWholeNumber } from './arguments.js'
import type {
  Client,
  ExecutionDetails,
  ExecutionInfo,
  FollowOptions,
  ForkOptions,
  Handle,
  HistoryEvent,
  HistoryPage,
  ListFilter,
  ListPage,
  RequestOptions,
  ResultOptions,
  StartOptions,
  StartRequest,
  WorkflowDetails,
} from './client.js'
import { clusterStats, type ClusterChange, type ClusterStats } from './cluster.js'
import { ClusterWatch } from './cluster-watch.js'
import { encodeCursor } from './cursor.js'
import { EventFeed } from './event-feed.js'
import type { Host } from './host.js'
import { ListWatch, type ListChange } from './list-watch.js'
import { fork } from './forker.js'
import { toListQuery } from './list-query.js'
import { throughput, toThroughputQuery, type Throughput, type ThroughputFilter } from './throughput.js'
import { Messenger } from './messenger.js'
import { inputSchemaOf } from './input-schema.js'
import { closed, notFound, unknownWorkflow } from './refusals.js'
import { historyEvent, infoOf, reasonOf } from './render.js'
import { Results } from './results.js'
import { Scheduler } from './scheduler.js'
import type { Schedules } from './schedules.js'
import { Starter, type Started } from './starter.js'

export interface StoreClientOptions {
  readonly store: Store
  readonly limits: Limits
  readonly clock: Clock
  readonly log: Logger
  readonly meters?: Meters
  readonly host?: Host
  /** Called by `close`, after the client's own work has ended. */
  readonly onClose?: () => Promise<void>
}

const HISTORY_PAGE_MAX = 1_000
const VERSION_MAX = 2_147_483_647
/** Without a database, writes wait for all their retries. */
const CLOSE_MS = 5_000

export class StoreClient implements Client {
  readonly schedules: Schedules
  private readonly options: StoreClientOptions
  private readonly starter: Starter
  private readonly messenger: Messenger
  private readonly results: Results
  private readonly clusterWatch: ClusterWatch
  private readonly listWatch: ListWatch
  private readonly feed: EventFeed

  constructor(options: StoreClientOptions) {
    this.options = options
    this.starter = new Starter(options)
    this.messenger = new Messenger({ ...options, row: (executionId) => this.row(executionId) })
    this.results = new Results(options)
    this.clusterWatch = new ClusterWatch(options)
    this.listWatch = new ListWatch({ ...options, list: (filter) => this.list(filter) })
    this.feed = new EventFeed(options)
    this.schedules = new Scheduler({
      ...options,
      prepare: (request) => this.starter.prepare(request),
      handle: (started) => this.handle(started),
    })
  }

  // ---- starting

  start<I, O>(workflow: Workflow<I, O>, input: NoInfer<I>, options?: StartOptions): Promise<Handle<O>>
  start(workflow: string, input?: unknown, options?: StartOptions): Promise<Handle>
  async start(workflow: Workflow | string, input?: unknown, options: StartOptions = {}): Promise<Handle> {
    const { idPolicy, transaction, ...request } = options
    const started = await this.starter.start(
      { ...request, workflow, input },
      {
        ...(idPolicy === undefined ? {} : { idPolicy }),
        ...(transaction === undefined ? {} : { transaction }),
      },
    )
    return this.handle(started)
  }

  async startMany(requests: readonly StartRequest[]): Promise<Handle[]> {
    return (await this.starter.startMany(requests)).map((started) => this.handle(started))
  }

  private handle({ executionId, created }: Started): Handle<never> {
    return {
      executionId,
      created,
      // The types of a handle are the workflow's promise.
      result: (options) => this.results.wait(executionId, options, created) as Promise<never>,
    }
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
    const query = toListQuery(filter, this.options.limits)
    // One more than asked tells whether there is a next page.
    const rows = await this.options.store.list({ ...query, limit: query.limit + 1 })
    const executions: ExecutionInfo[] = rows.slice(0, query.limit).map(infoOf)
    const last = executions.at(-1)
    return rows.length > query.limit && last !== undefined
      ? { executions, cursor: encodeCursor(last) }
      : { executions }
  }

  async history(
    executionId: string,
    page: { readonly after?: number; readonly limit?: number } = {},
  ): Promise<HistoryPage> {
    const after = checkWholeNumber(page.after ?? 0, { what: 'version after which', min: 0, max: VERSION_MAX })
    const limit = checkWholeNumber(page.limit ?? HISTORY_PAGE_MAX, {
      what: 'limit of the history page',
      min: 1,
      max: HISTORY_PAGE_MAX,
      limit: 'historyPageMax',
    })
    const { key } = await this.row(executionId)
    if (after === VERSION_MAX) return { events: [] }
    const [events = []] = await this.options.store.readHistories([{ key, from: after + 1 }], limit)
    const last = events.at(-1)
    const rendered = events.map(historyEvent)
    return events.length === limit && last !== undefined
      ? { events: rendered, next: last.version }
      : { events: rendered }
  }

  async *follow(
    executionId: string,
    options: FollowOptions = {},
  ): AsyncGenerator<HistoryEvent, void, undefined> {
    const { signal } = options
    const what = { what: 'version after which', min: 0, max: VERSION_MAX } as const
    // The feed asks from the next version on, for many followers at once: that must be a version, too.
    const after = Math.min(checkWholeNumber(options.after ?? 0, what), VERSION_MAX - 1)
    const { key, status, version } = await this.row(executionId)
    if (isClosed(status) && version <= after) return
    const events = this.feed.events(key, { after, ...(signal === undefined ? {} : { signal }) })
    for await (const event of events) yield historyEvent(event)
  }

  watchList(
    filter: ListFilter = {},
    { signal }: { readonly signal?: AbortSignal } = {},
  ): AsyncIterable<ListChange> {
    return this.listWatch.changes(filter, signal)
  }

  result(executionId: string, options?: ResultOptions): Promise<unknown> {
    return this.results.wait(executionId, options)
  }

  private async row(executionId: string): Promise<ExecutionRow> {
    const [row] = await this.options.store.readExecutions([this.key(executionId)])
    if (row === null || row === undefined) throw notFound(executionId)
    return row
  }

  private key(executionId: string): ExecutionKey {
    checkId(executionId, 'execution id', this.options.limits.idCharactersMax)
    return this.options.store.keyOf(executionId)
  }

  // ---- messages

  signal(
    executionId: string,
    name: string,
    payload?: unknown,
    options: { readonly signalId?: string } = {},
  ): Promise<void> {
    return this.messenger.signal(executionId, name, payload, options.signalId)
  }

  query(
    executionId: string,
    name: string,
    args?: unknown,
    options: { readonly timeout?: Duration } = {},
  ): Promise<unknown> {
    return this.messenger.query(executionId, name, args, options)
  }

  update(
    executionId: string,
    name: string,
    payload?: unknown,
    options: { readonly updateId?: string; readonly timeout?: Duration } = {},
  ): Promise<unknown> {
    return this.messenger.update(executionId, name, payload, options)
  }

  cancel(executionId: string, reason = 'requested', options: RequestOptions = {}): Promise<void> {
    return this.messenger.cancel(executionId, reason, options.requestId)
  }

  pause(executionId: string, options: RequestOptions = {}): Promise<void> {
    return this.messenger.pause(executionId, options.requestId)
  }

  // ---- single transitions

  async terminate(executionId: string, reason = 'requested'): Promise<void> {
    const payload = encode(checkReason(reason), 'reason', this.options.limits.payloadBytesMax)
    const outcome = await this.options.store.terminate(this.key(executionId), {
      type: 'terminated',
      ...(payload === undefined ? {} : { payload }),
    })
    if (outcome === 'not_found') throw notFound(executionId)
    if (outcome === 'closed') {
      const { status } = await this.row(executionId)
      // A blind retry must not fail.
      if (status === 'terminated') return
      throw closed(executionId, 'there is nothing to terminate', status)
    }
    this.results.hurry(executionId)
    this.options.host?.terminated(executionId)
    this.options.host?.ended(executionId)
  }

  resume(executionId: string, options: RequestOptions = {}): Promise<void> {
    return this.bringBack(executionId, options)
  }

  retry(executionId: string, options: RequestOptions = {}): Promise<void> {
    return this.bringBack(executionId, options)
  }

  private async bringBack(executionId: string, { requestId }: RequestOptions): Promise<void> {
    const key = this.key(executionId)
    const event: NewEvent =
      requestId === undefined
        ? { type: 'resumed' }
        : {
            type: 'resumed',
            messageId: checkId(requestId, 'request id', this.options.limits.idCharactersMax),
          }
    const outcome = await this.options.store.resume(key, event)
    if (outcome === 'not_found') throw notFound(executionId)
    if (outcome === 'not_resumable') {
      const { status } = await this.row(executionId)
      throw new CerebelumError(
        'EXECUTION_NOT_RESUMABLE',
        `Execution "${executionId}" is ${status}: only paused, blocked and dead ones can be brought back.`,
        { executionId, status },
      )
    }
    this.options.host?.poke([key])
  }

  async fork(executionId: string, options: ForkOptions): Promise<Handle> {
    return this.handle(await fork(await this.row(executionId), options, this.options))
  }

  async delete(executionId: string): Promise<void> {
    const outcome = await this.options.store.remove(this.key(executionId))
    if (outcome === 'not_found') throw notFound(executionId)
    if (outcome === 'open') {
      throw new CerebelumError(
        'EXECUTION_NOT_CLOSED',
        `Execution "${executionId}" is still open. Terminate it before you delete it.`,
        { executionId },
      )
    }
  }

  // ---- the rest

  workflows(): Promise<{ readonly workflow: string; readonly version: string }[]> {
    return this.options.store.readDefinitions()
  }

  async workflow(name: string): Promise<WorkflowDetails> {
    const { limits, store, host } = this.options
    checkName(name, 'workflow name', limits.nameCharactersMax)
    const definitions = await store.readDefinitions()
    const versions = definitions.filter(({ workflow }) => workflow === name).map(({ version }) => version)
    if (versions.length === 0) throw unknownWorkflow(name)
    versions.sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    const inputSchema = inputSchemaOf(host?.definition(name))
    return { workflow: name, versions, ...(inputSchema === undefined ? {} : { inputSchema }) }
  }

  async clusterStats(): Promise<ClusterStats> {
    return clusterStats(await this.options.store.readClusterStats())
  }

  async throughput(filter: ThroughputFilter = {}): Promise<Throughput> {
    const query = toThroughputQuery(filter, this.options.limits)
    return throughput(query, await this.options.store.readThroughput(query))
  }

  watchCluster({ signal }: { readonly signal?: AbortSignal } = {}): AsyncIterable<ClusterChange> {
    return this.clusterWatch.changes(signal)
  }

  async ping(): Promise<number> {
    const begunMs = this.options.clock.monotonicMs()
    await this.options.store.ping()
    return this.options.clock.monotonicMs() - begunMs
  }

  /** Whoever still waits is told so; writes under way may end, for a while. */
  async close(): Promise<void> {
    const work = Promise.all([
      this.starter.idle(),
      this.messenger.stop(),
      this.results.stop(),
      this.clusterWatch.stop(),
      this.listWatch.stop(),
      this.feed.stop(),
    ])
    await settledWithin(this.options.clock, CLOSE_MS, work)
    await this.options.onClose?.()
  }
}
