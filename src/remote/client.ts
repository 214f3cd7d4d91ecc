// The client over HTTP: what the client on the database can do, in the same words and with the same errors. Values travel
// as JSON, so that results have the types that JSON leaves of them. A call that returns has committed.

import type { Client, ForkOptions, ResultOptions, StartOptions, StartRequest } from '../client/client.js'
import type { Schedules } from '../client/schedules.js'
import type { CerebelumError } from '../core/errors.js'
import type { Json } from './json.js'

/** Anything that has the shape of a workflow: a program that cannot load one passes its type, `typeof fulfil`. */
export interface AnyWorkflow {
  readonly name: string
  run(ctx: never, input: never): Promise<unknown>
}

export type InputOf<W extends AnyWorkflow> = Parameters<W['run']>[1]
export type OutputOf<W extends AnyWorkflow> = Json<Awaited<ReturnType<W['run']>>>

export type RemoteStartOptions = Omit<StartOptions, 'transaction'>

export interface RemoteHandle<O = unknown> {
  readonly executionId: string
  /** Whether this call made it (false: it existed). */
  readonly created: boolean
  /** Waits for the result; see `RemoteClient.result`. */
  readonly result: (options?: ResultOptions) => Promise<O>
}

/** Of one start among many. */
export type StartOutcome =
  | { readonly kind: 'started'; readonly handle: RemoteHandle }
  | { readonly kind: 'refused'; readonly error: CerebelumError }

type Alike =
  | 'get'
  | 'list'
  | 'history'
  | 'result'
  | 'signal'
  | 'query'
  | 'update'
  | 'cancel'
  | 'terminate'
  | 'pause'
  | 'resume'
  | 'retry'
  | 'delete'
  | 'workflows'
  | 'workflow'
  | 'clusterStats'

export interface RemoteClient extends Pick<Client, Alike> {
  readonly schedules: RemoteSchedules
  /**
   * Starts an execution; a repetition after a lost answer finds the one that was made.
   * @throws as `Client.start`, and SERVER_UNAVAILABLE
   *
   * @example
   * import type { fulfil } from './workflows.js'
   * const order = await client.start<typeof fulfil>('fulfil', { item: 'lamp', cents: 4_200 }, { id: 'order-7' })
   * const { label } = await order.result()
   */
  start<W extends AnyWorkflow>(
    workflow: W,
    input: InputOf<W>,
    options?: RemoteStartOptions,
  ): Promise<RemoteHandle<OutputOf<W>>>
  start<W extends AnyWorkflow>(
    workflow: string,
    input: InputOf<W>,
    options?: RemoteStartOptions,
  ): Promise<RemoteHandle<OutputOf<W>>>
  start(workflow: string, input?: unknown, options?: RemoteStartOptions): Promise<RemoteHandle>
  /** A copy of another execution's beginning that goes on by itself; see `Client.fork`. */
  fork(executionId: string, options: ForkOptions): Promise<RemoteHandle>
  /** Up to 1,000 in one request, each with its own outcome: one that is refused stops no other. */
  startMany(requests: readonly StartRequest[]): Promise<StartOutcome[]>
}

export type RemoteSchedules = Omit<Schedules, 'trigger'> & {
  trigger(scheduleId: string, options?: { readonly triggerId?: string }): Promise<RemoteHandle>
}
