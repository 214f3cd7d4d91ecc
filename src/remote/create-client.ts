// The client over HTTP, put together: what each call sends and what it makes of the answer.

import type {
  ExecutionDetails,
  ExecutionInfo,
  HistoryEvent,
  ResultOptions,
  StartRequest,
} from '../client/client.js'
import type {
  Client,
  ForkOptions,
  ListFilter,
  ListPage,
  RequestOptions,
  WorkflowDetails,
} from '../client/client.js'
import type { ClusterStats } from '../client/cluster.js'
import { durationMs, type Duration } from '../core/duration.js'
import type {
  AnyWorkflow,
  RemoteClient,
  RemoteHandle,
  RemoteSchedules,
  RemoteStartOptions,
  StartOutcome,
} from './client.js'
import { clusterOf, detailsOf, eventOf, infoOf } from './decode.js'
import type { Wire } from './json.js'
import { errorOf } from './problems.js'
import { Results } from './results.js'
import { HttpSchedules } from './schedules.js'
import { Transport, type Call, type TransportOptions } from './transport.js'

export type RemoteClientOptions = TransportOptions

/**
 * A client of a server, from wherever there is `fetch`.
 *
 * @example
 * const client = createClient({ url: 'https://workflows.example.com' })
 * await client.signal('order-7', 'approved', true)
 */
export function createClient(options: RemoteClientOptions): RemoteClient {
  return new HttpClient(new Transport(options))
}

/** The server waits no longer for an answer. */
const ANSWER_MS_MAX = 60_000
const ANSWER_MS = 30_000

class HttpClient implements RemoteClient {
  readonly schedules: RemoteSchedules
  private readonly transport: Transport
  private readonly results: Results

  constructor(transport: Transport) {
    this.transport = transport
    this.results = new Results(transport)
    this.schedules = new HttpSchedules(transport, (started) => this.handle(started))
  }

  // ---- starting

  async start(
    workflow: AnyWorkflow | string,
    input?: unknown,
    options: RemoteStartOptions = {},
  ): Promise<RemoteHandle<never>> {
    const { startId, ...rest } = options
    const body = { ...rest, workflow: nameOf(workflow), input }
    const call: Call = { method: 'POST', path: ['executions'], body, key: startId }
    return this.handle((await this.transport.send<Started>(call)).body)
  }

  async startMany(requests: readonly StartRequest[]): Promise<StartOutcome[]> {
    const executions = requests.map(({ workflow, ...rest }) => ({ ...rest, workflow: nameOf(workflow) }))
    const call: Call = { method: 'POST', path: ['executions', 'batch'], body: { executions } }
    const { body } = await this.transport.send<{ readonly outcomes: readonly BatchOutcome[] }>(call)
    return body.outcomes.map((outcome) =>
      outcome.problem === undefined
        ? { kind: 'started', handle: this.handle(outcome) }
        : { kind: 'refused', error: errorOf(outcome.status, outcome.problem) },
    )
  }

  async fork(executionId: string, { startId, ...body }: ForkOptions): Promise<RemoteHandle> {
    const call: Call = { method: 'POST', path: ['executions', executionId, 'fork'], body, key: startId }
    return this.handle((await this.transport.send<Started>(call)).body)
  }

  private handle({ executionId, created }: Started): RemoteHandle<never> {
    return { executionId, created, result: (options) => this.results.wait<never>(executionId, options) }
  }

  // ---- reading

  async get(executionId: string): Promise<ExecutionDetails> {
    return detailsOf(await this.read<Wire<ExecutionDetails>>(['executions', executionId]))
  }

  async list(filter: ListFilter = {}): Promise<ListPage> {
    const { status, startedAfter, startedBefore, attributes, ...rest } = filter
    const { executions, ...page } = await this.read<ExecutionPage>(['executions'], {
      ...rest,
      status: status === undefined ? undefined : [status].flat().join(','),
      startedAfter: startedAfter?.toISOString(),
      startedBefore: startedBefore?.toISOString(),
      attributes: attributes === undefined ? undefined : JSON.stringify(attributes),
    })
    return { ...page, executions: executions.map(infoOf) }
  }

  async history(executionId: string, page: { readonly after?: number; readonly limit?: number } = {}) {
    const path = ['executions', executionId, 'history']
    const { events, ...rest } = await this.read<HistoryPage>(path, { ...page })
    return { ...rest, events: events.map(eventOf) }
  }

  result(executionId: string, options?: ResultOptions): Promise<unknown> {
    return this.results.wait(executionId, options)
  }

  // ---- messages

  async signal(
    executionId: string,
    name: string,
    payload?: unknown,
    options: { readonly signalId?: string } = {},
  ): Promise<void> {
    await this.post(['executions', executionId, 'signals', name], { body: payload, key: options.signalId })
  }

  query(
    executionId: string,
    name: string,
    args?: unknown,
    options: { readonly timeout?: Duration } = {},
  ): Promise<unknown> {
    return this.ask(['executions', executionId, 'queries', name], args, options)
  }

  update(
    executionId: string,
    name: string,
    payload?: unknown,
    options: { readonly updateId?: string; readonly timeout?: Duration } = {},
  ): Promise<unknown> {
    return this.ask(['executions', executionId, 'updates', name], payload, {
      ...options,
      key: options.updateId,
    })
  }

  private async ask(
    path: readonly string[],
    body: unknown,
    { timeout, key }: { readonly timeout?: Duration; readonly key?: string | undefined },
  ): Promise<unknown> {
    const asked = timeout === undefined ? ANSWER_MS : durationMs(timeout, 'time to wait for an answer')
    const waitMs = Math.min(ANSWER_MS_MAX, Math.ceil(asked))
    const call: Call = { method: 'POST', path, body, key, waitMs, query: { timeoutMs: waitMs } }
    return (await this.transport.send<{ readonly result: unknown }>(call)).body.result
  }

  // ---- control

  async cancel(executionId: string, reason?: string, options: RequestOptions = {}): Promise<void> {
    await this.post(['executions', executionId, 'cancel'], { body: { reason }, key: options.requestId })
  }

  async terminate(executionId: string, reason?: string): Promise<void> {
    await this.post(['executions', executionId, 'terminate'], { body: { reason } })
  }

  async pause(executionId: string, options: RequestOptions = {}): Promise<void> {
    await this.post(['executions', executionId, 'pause'], { key: options.requestId })
  }

  async resume(executionId: string, options: RequestOptions = {}): Promise<void> {
    await this.post(['executions', executionId, 'resume'], { key: options.requestId })
  }

  async retry(executionId: string, options: RequestOptions = {}): Promise<void> {
    await this.post(['executions', executionId, 'retry'], { key: options.requestId })
  }

  async delete(executionId: string): Promise<void> {
    await this.transport.send({ method: 'DELETE', path: ['executions', executionId] })
  }

  // ---- the rest

  async workflows() {
    type Page = { readonly workflows: Awaited<ReturnType<Client['workflows']>> }
    return (await this.read<Page>(['workflows'])).workflows
  }

  workflow(name: string): Promise<WorkflowDetails> {
    return this.read(['workflows', name])
  }

  async clusterStats(): Promise<ClusterStats> {
    return clusterOf(await this.read<Wire<ClusterStats>>(['cluster']))
  }

  private async read<T>(path: readonly string[], query: Call['query'] = {}): Promise<T> {
    return (await this.transport.send<T>({ method: 'GET', path, query })).body
  }

  private async post(path: readonly string[], rest: Pick<Call, 'body' | 'key'>): Promise<void> {
    await this.transport.send({ method: 'POST', path, ...rest })
  }
}

interface Started {
  readonly executionId: string
  readonly created: boolean
}

interface BatchOutcome extends Started {
  readonly status: number
  readonly problem?: unknown
}

interface ExecutionPage {
  readonly executions: readonly Wire<ExecutionInfo>[]
  readonly cursor?: string
}

interface HistoryPage {
  readonly events: readonly Wire<HistoryEvent>[]
  readonly next?: number
}

function nameOf(workflow: { readonly name: string } | string): string {
  return typeof workflow === 'string' ? workflow : workflow.name
}
