// A simulated process: a real node of the engine with a clock, a link to the database and a life of its own. It can be
// killed, stand still and go on, drain, and have its clocks drift and jump.

import { DEFAULT_LIMITS } from '../../src/core/limits.js'
import { KEPT_MS_DEFAULT } from '../../src/core/retention.js'
import { silentLogger, type Clock } from '../../src/core/ports.js'
import { Node } from '../../src/engine/node.js'
import type { Store } from '../../src/store/store.js'
import type { Workflow } from '../../src/workflow/define.js'
import { Registry } from '../../src/workflow/registry.js'
import { withBug, type Bug } from './bugs.js'
import type { Chance } from './chance.js'
import type { Neighborhood } from './neighborhood.js'
import { Link } from './server.js'
import type { Server } from './server.js'
import type { Timeline } from './timeline.js'

export const LEASE_MS = 1_200
export const HEARTBEAT_MS = 400
const DRAIN_MS = 3_000
/** As Node's timers. */
const TIMER_MIN_MS = 1
/** Clocks of machines run wrong by up to this; NTP holds them within a tenth of it. */
const DRIFT_MAX = 0.005

export interface MachineOptions {
  readonly name: string
  readonly timeline: Timeline
  readonly server: Server
  readonly chance: Chance
  readonly capacity: number
  readonly bug: Bug | undefined
  /** Where it runs: who runs there too notices its end at once. */
  readonly host: number
  readonly neighborhood: Neighborhood
  readonly openStore: (machine: Machine) => Store
  readonly workflows: (machine: Machine) => readonly Workflow[]
}

export class Machine {
  readonly name: string
  readonly clock: Clock
  readonly link: Link
  readonly node: Node
  readonly store: Store
  state: 'live' | 'paused' | 'dead' = 'live'
  isDraining = false
  /** When something of its own last went wrong: it stood still, or its link did. */
  troubledMs = -Infinity
  readonly bornMs: number
  readonly #timeline: Timeline
  readonly #neighborhood: Neighborhood
  readonly #backlog: (() => void)[] = []
  #wallOffsetMs: number
  #joined = 0

  constructor(options: MachineOptions) {
    const { name, timeline, server, chance, capacity, bug, host, neighborhood, openStore, workflows } =
      options
    this.#neighborhood = neighborhood
    this.name = name
    this.#timeline = timeline
    this.bornMs = timeline.nowMs
    this.#wallOffsetMs = chance.between(-5_000, 5_000)
    this.clock = this.#makeClock(1 + chance.between(-DRIFT_MAX, DRIFT_MAX))
    this.link = new Link({
      timeline,
      server,
      chance: chance.branch(),
      deliver: (callback) => this.deliver(callback),
      onTrouble: () => (this.troubledMs = timeline.nowMs),
    })
    const { store, add } = withBug(bug, { store: openStore(this), clock: this.clock, leaseMs: LEASE_MS })
    this.store = store
    this.node = new Node({
      store: this.store,
      registry: new Registry(workflows(this)),
      limits: DEFAULT_LIMITS,
      clock: this.clock,
      log: silentLogger,
      region: 'local',
      zone: null,
      address: null,
      release: 'simulated',
      capacity,
      lanes: 3,
      leaseMs: LEASE_MS,
      heartbeatMs: HEARTBEAT_MS,
      cacheExecutionsMax: 1_000,
      cacheBytesMax: 10_000_000,
      drainMs: DRAIN_MS,
      kept: KEPT_MS_DEFAULT,
      archive: undefined,
      neighbors: (watch) => neighborhood.watchOf(this, host, watch),
      newNodeId: () => `${name}-${++this.#joined}`,
    })
    add(this.node)
  }

  /** Whether it works: it lives, and is not stopped in its tracks. */
  get isAwake(): boolean {
    return this.state === 'live'
  }

  start(): void {
    this.node.start().catch(() => {
      // The database could not be reached for too long: the process ends.
      this.kill()
    })
  }

  kill(): void {
    this.state = 'dead'
    this.#neighborhood.ended(this)
    this.#backlog.length = 0
  }

  /** SIGSTOP: whatever it waits for, comes when it goes on. */
  pause(): void {
    if (this.state === 'live') this.state = 'paused'
  }

  /** SIGCONT: all that came meanwhile comes at once, one after the other. */
  resume(): void {
    if (this.state !== 'paused') return
    this.state = 'live'
    this.troubledMs = this.#timeline.nowMs
    for (const callback of this.#backlog.splice(0)) this.#timeline.after(0, () => this.deliver(callback))
  }

  /** SIGTERM: hands everything back and ends. */
  drain(): void {
    this.isDraining = true
    const ended = (): void => this.kill()
    this.node.stop().then(ended, ended)
  }

  /** The clock on the wall is set. */
  stepClock(ms: number): void {
    this.#wallOffsetMs += ms
  }

  /** Calls the process, or leaves it for later; whether it was called. */
  deliver(callback: () => void): boolean {
    if (this.state === 'paused') this.#backlog.push(callback)
    if (this.state !== 'live') return false
    callback()
    return true
  }

  #makeClock(rate: number): Clock {
    const monotonicMs = (): number => (this.#timeline.nowMs - this.bornMs) * rate
    return {
      monotonicMs,
      wallMs: () => this.bornMs + monotonicMs() + this.#wallOffsetMs,
      after: (ms, callback, options) => {
        // Only the load meter does not keep a process alive; it would be most of what happens.
        if (options?.unref === true) return () => undefined
        let isCanceled = false
        const cancel = this.#timeline.after(Math.max(ms, TIMER_MIN_MS) / rate, () =>
          this.deliver(() => (isCanceled ? undefined : callback())),
        )
        return () => {
          isCanceled = true
          cancel()
        }
      },
    }
  }
}
