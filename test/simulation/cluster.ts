// A simulated cluster: machines that come and go, their database, and who hears whom.

import type { Store } from '../../src/store/store.js'
import type { Bug } from './bugs.js'
import type { Chance } from './chance.js'
import type { Fault } from './faults.js'
import { jobOn } from './jobs.js'
import { Machine } from './machine.js'
import { ModelExecutions } from './model-executions.js'
import { ModelLeases } from './model-leases.js'
import { modelStore, type HintListener, type ModelTables } from './model-store.js'
import { Neighborhood } from './neighborhood.js'
import { Server } from './server.js'
import type { Timeline } from './timeline.js'
import { Watch } from './watch.js'

export interface ClusterOptions {
  readonly timeline: Timeline
  readonly chance: Chance
  readonly partitions: number
  readonly hosts: number
  readonly hasHints: boolean
  /** Of requests, and as often of answers. */
  readonly lossProbability: number
  readonly bug: Bug | undefined
  readonly trace: (line: string) => void
}

const CAPACITY = 50

export class Cluster {
  readonly machines: Machine[] = []
  readonly server = new Server()
  readonly tables: ModelTables
  readonly watch: Watch
  readonly #options: ClusterOptions
  readonly #listeners = new Map<HintListener, Machine>()
  readonly #neighborhood: Neighborhood
  #lossProbability: number

  constructor(options: ClusterOptions) {
    this.#options = options
    const { timeline, partitions, bug } = options
    const now = (): number => timeline.nowMs
    const leases = new ModelLeases(now, partitions)
    const hasLease = (nodeId: string): boolean => leases.has(nodeId)
    const executions = new ModelExecutions({ now, hasLease, isFenceBlind: bug === 'blind-fence' })
    this.tables = { leases, executions }
    this.#neighborhood = new Neighborhood(timeline)
    this.#lossProbability = options.lossProbability
    this.watch = new Watch({
      timeline,
      tables: this.tables,
      machines: () => this.machines,
      isServerUp: () => this.server.state === 'up',
      trace: options.trace,
    })
  }

  /** Those that live and are not on their way out. */
  get staying(): Machine[] {
    return this.machines.filter((machine) => machine.state !== 'dead' && !machine.isDraining)
  }

  join(): Machine {
    const { timeline, chance, bug } = this.#options
    const machine = new Machine({
      name: `m${this.machines.length}`,
      timeline,
      server: this.server,
      chance: chance.branch(),
      capacity: CAPACITY,
      host: chance.below(this.#options.hosts),
      neighborhood: this.#neighborhood,
      bug,
      openStore: (of) => this.#openStore(of),
      workflows: (of) => [jobOn(of, (step) => this.watch.stepBegins(of, step))],
    })
    machine.link.lossProbability = this.#lossProbability
    this.machines.push(machine)
    this.#note(`${machine.name} starts`)
    machine.start()
    return machine
  }

  /** Does it; what it does to a machine hits one that is drawn. Whether code was woken. */
  befall(fault: Fault): boolean {
    const { timeline, chance } = this.#options
    if (fault.kind === 'join') {
      this.join()
      return true
    }
    if (fault.kind === 'stall' || fault.kind === 'crash') return this.#loseServer(fault.kind, fault.forMs)
    const machine = chance.pick(this.staying)
    if (machine === undefined) return false
    this.#note(`${machine.name}: ${JSON.stringify(fault)}`)
    const later = (ms: number, happen: () => void): void => void timeline.after(ms, happen)
    switch (fault.kind) {
      case 'kill':
        machine.kill()
        this.#joinIn(fault.againInMs)
        return false
      case 'drain':
        machine.drain()
        this.#joinIn(fault.againInMs)
        return true
      case 'pause':
        machine.pause()
        later(fault.forMs, () => this.#resume(machine))
        return false
      case 'cut':
        machine.link.isCut = true
        later(fault.forMs, () => (machine.link.isCut = false))
        return false
      case 'slow':
        machine.link.slowMs = fault.hopMs
        later(fault.forMs, () => (machine.link.slowMs = 0))
        return false
      case 'clock':
        machine.stepClock(fault.stepMs)
        return false
      default:
        return fault satisfies never
    }
  }

  /** Nothing is wrong any more, and somebody is there. */
  heal(): void {
    this.#note('calm')
    this.#lossProbability = 0
    if (this.server.state !== 'up') this.server.goOn()
    for (const machine of this.machines) {
      machine.link.isCut = false
      machine.link.slowMs = 0
      machine.link.lossProbability = 0
      this.#resume(machine)
    }
    if (this.staying.length === 0) this.join()
  }

  #resume(machine: Machine): void {
    if (machine.state === 'paused') this.#note(`${machine.name} goes on`)
    machine.resume()
  }

  #joinIn(ms: number): void {
    this.#options.timeline.after(ms, () => {
      this.join()
      return true
    })
  }

  #loseServer(kind: 'stall' | 'crash', forMs: number): boolean {
    if (this.server.state !== 'up') return false
    this.#note(`the database: ${kind} for ${forMs.toFixed(0)} ms`)
    if (kind === 'stall') this.server.stall()
    else this.server.crash()
    this.#options.timeline.after(forMs, () => {
      if (this.server.state === 'up') return
      this.#note('the database goes on')
      this.server.goOn()
    })
    return false
  }

  #openStore(machine: Machine): Store {
    const { timeline, hasHints, trace } = this.#options
    return modelStore({
      tables: this.tables,
      clock: machine.clock,
      hasHints,
      now: () => timeline.nowMs,
      trip: (carryOut) => machine.link.trip(carryOut),
      trace: (line) => trace(`${timeline.nowMs.toFixed(1)} ${machine.name} ${line}`),
      tell: (partitions, areFree) => {
        for (const [listener, { link }] of this.#listeners) link.tell(() => listener(partitions, areFree))
      },
      listen: (listener) => {
        this.#listeners.set(listener, machine)
        return () => this.#listeners.delete(listener)
      },
    })
  }

  #note(text: string): void {
    this.#options.trace(`${this.#options.timeline.nowMs.toFixed(1)} ${text}`)
  }
}
