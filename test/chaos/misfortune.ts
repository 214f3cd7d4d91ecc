// Carries a plan out: each action at its moment, whatever became of the others. In the end it makes everything whole
// again; what then still goes wrong is the engine's doing.

import { setTimeout as sleep } from 'node:timers/promises'
import { createSession } from '../../src/store/pool.js'
import { connect } from '../support/connect.js'
import type { OwnPostgres } from '../support/own-postgres.js'
import type { Fleet } from './fleet.js'
import type { Action, FaultKind, Plan } from './plan.js'
import type { Weather } from './weather.js'

export interface MisfortuneOptions {
  readonly plan: Plan
  readonly fleet: Fleet
  /** Of the nodes' places, and of the client. */
  readonly wires: readonly Weather[]
  readonly server: OwnPostgres | undefined
  readonly url: string
  readonly schema: string
}

export class Misfortune {
  /** What was done how often. */
  readonly done = new Map<FaultKind, number>()
  readonly findings: string[] = []
  private readonly options: MisfortuneOptions
  /** The server can take only one thing at a time. */
  private serverWork: Promise<void> = Promise.resolve()
  private nodes: number

  constructor(options: MisfortuneOptions) {
    this.options = options
    this.nodes = options.fleet.places.length
  }

  /** Resolves when the last action is over. */
  async strike(): Promise<void> {
    const { plan, fleet } = this.options
    const startedMs = performance.now()
    this.nodes = fleet.places.length
    const under = plan.actions.map(async (action) => {
      await sleep(Math.max(0, action.atMs - (performance.now() - startedMs)))
      this.done.set(action.kind, (this.done.get(action.kind) ?? 0) + 1)
      await this.act(action).catch((error: unknown) => {
        this.findings.push(`the chaos run itself failed at ${action.kind}: ${String(error)}`)
      })
    })
    await Promise.all(under)
  }

  /** No fault goes on, and as many nodes live as there should. */
  async makeWhole(): Promise<void> {
    const { wires, fleet } = this.options
    await this.serverWork
    for (const wire of wires) wire.clear()
    for (const place of fleet.places) fleet.resume(place)
    this.fill(Math.max(2, Math.min(this.nodes, wires.length - 1)))
    await Promise.all(fleet.places.map((place) => fleet.waitUntilReady(place)))
  }

  private async act(action: Action): Promise<void> {
    const { fleet, wires } = this.options
    const { kind, forMs, amount } = action
    const places = fleet.living(action.places)
    switch (kind) {
      case 'kill':
        await Promise.all(places.map((place) => fleet.kill(place)))
        return this.fill(this.nodes)
      case 'stall':
        for (const place of places) fleet.stall(place)
        await sleep(forMs)
        for (const place of places) fleet.resume(place)
        return
      case 'slow':
        for (const place of places) fleet.tell(place, `block ${forMs}`)
        return
      case 'clock':
        for (const place of places) fleet.tell(place, `clock ${amount}`)
        return
      case 'rolling':
        return this.roll()
      case 'scale':
        return this.scale(amount)
      case 'server-kill':
        return this.onServer(async (own) => {
          await own.kill()
          await sleep(forMs)
          await own.restart()
        })
      case 'server-restart':
        return this.onServer(async (own) => {
          await own.shutDown()
          await sleep(forMs)
          await own.restart()
        })
      case 'server-freeze':
        return this.onServer(async (own) => {
          await own.freeze()
          await sleep(forMs)
          own.thaw()
        })
      case 'connections':
        return this.onServer(() => this.takeConnections(forMs))
      case 'partition':
        for (const place of places) wires[place]?.isolate(true)
        await sleep(forMs)
        for (const place of places) wires[place]?.isolate(false)
        return
      case 'locks':
        return this.lock(forMs)
      case 'cut':
      case 'mute':
      case 'delay':
      case 'timeout':
      case 'disk':
      case 'conflict':
        for (const wire of wires) wire.begin(action)
        await sleep(forMs)
        for (const wire of wires) wire.end(action)
        return
      default:
        return kind satisfies never
    }
  }

  private onServer(work: (own: OwnPostgres) => Promise<void>): Promise<void> {
    const { server } = this.options
    if (server === undefined) return Promise.resolve()
    const done = this.serverWork.then(() => work(server))
    this.serverWork = done.catch(() => undefined)
    return done
  }

  /** New nodes in the first free places until there are so many. */
  private fill(nodes: number): void {
    const { fleet, wires } = this.options
    for (let place = 0; place < wires.length - 1 && fleet.places.length < nodes; place++) fleet.start(place)
  }

  private async scale(nodes: number): Promise<void> {
    const { fleet } = this.options
    this.nodes = nodes
    this.fill(nodes)
    const leaving = fleet.places.slice(nodes)
    await Promise.all(leaving.map((place) => fleet.stop(place)))
  }

  private async roll(): Promise<void> {
    const { fleet } = this.options
    for (const place of fleet.places) {
      await fleet.stop(place)
      this.fill(this.nodes)
      // It may be killed meanwhile, or the database be away: the next one goes all the same.
      await fleet.waitUntilReady(place, 5_000).catch(() => undefined)
    }
  }

  /** Holds them until the server has no more, for a while. */
  private async takeConnections(forMs: number): Promise<void> {
    const { url, wires } = this.options
    const takers = Array.from({ length: CONNECTIONS_MAX }, () => connect(url, { max: 1, connect_timeout: 5 }))
    await Promise.all(takers.map((sql) => sql`select 1 as one`.catch(() => undefined)))
    // Whoever loses its connection now gets none.
    for (const wire of wires) wire.drop()
    await sleep(forMs)
    await Promise.all(takers.map((sql) => sql.end({ timeout: 1 })))
  }

  private async lock(forMs: number): Promise<void> {
    const { url, schema } = this.options
    // Opened once: the driver's own transactions end the process when their connection was lost meanwhile.
    const name = 'cerebelum chaos'
    const session = createSession(
      { url, connections: 1, statementTimeoutMs: 10_000, settings: true, name },
      () => undefined,
    )
    try {
      await session`begin`
      await session`select execution_id from ${session(`${schema}.executions`)} for update`
      await sleep(forMs)
      await session`rollback`
    } catch {
      // The server was away, or went: a lock that never was is a misfortune as well.
    } finally {
      await session.end({ timeout: 1 })
    }
  }
}

/** Of the server that the chaos run starts. */
export const CONNECTIONS_MAX = 150
