// The nodes of a round: processes in places, each behind a wire of its own. A place may be empty; who is in it is killed,
// stalled, blocked or told to go. A node that ends though nobody ended it is a finding.

import { join } from 'node:path'
import { startChildNode, type NodeProcess } from '../support/child-node.js'
import type { Weather } from './weather.js'

export interface FleetOptions {
  readonly schema: string
  /** For the ledgers. */
  readonly folder: string
  /** One for each place. */
  readonly wires: readonly Weather[]
}

const STOP_DEADLINE_MS = 60_000

interface Member {
  readonly process: NodeProcess
  isEnding: boolean
  isStalled: boolean
}

export class Fleet {
  /** Nodes that ended by themselves, and what they said. */
  readonly findings: string[] = []
  private readonly options: FleetOptions
  private readonly members = new Map<number, Member>()
  private started = 0

  constructor(options: FleetOptions) {
    this.options = options
  }

  get places(): number[] {
    return [...this.members.keys()]
  }

  /** These places, or for each that nobody holds another one that somebody does. */
  living(places: readonly number[]): number[] {
    const held = this.places
    return [
      ...new Set(
        places.flatMap((place) =>
          this.members.has(place) ? [place] : held.slice(place % held.length).slice(0, 1),
        ),
      ),
    ]
  }

  /** Nobody is started where somebody is. */
  start(place: number): NodeProcess | undefined {
    const { schema, folder, wires } = this.options
    const wire = wires[place]
    if (wire === undefined || this.members.has(place)) return undefined
    const ledger = join(folder, `${schema}-${place}-${this.started++}.ledger`)
    const file = new URL('./node.ts', import.meta.url)
    const process = startChildNode({ file, args: [wire.url, schema, ledger] })
    const member: Member = { process, isEnding: false, isStalled: false }
    this.members.set(place, member)
    void process.exited.then((exit) => {
      if (this.members.get(place) === member) this.members.delete(place)
      if (member.isEnding) return
      const output = process.output().slice(-2_000)
      this.findings.push(`node ${process.pid} ended by itself (${JSON.stringify(exit)}): ${output}`)
    })
    return process
  }

  async kill(place: number): Promise<void> {
    const member = this.leave(place)
    await member?.process.kill()
  }

  /** In good order; who does not go in time is killed. */
  async stop(place: number): Promise<void> {
    const member = this.leave(place)
    if (member === undefined) return
    this.resumeMember(member)
    member.process.writeLine('stop')
    const timer = setTimeout(() => {
      this.findings.push(
        `node ${member.process.pid} did not stop in time: ${member.process.output().slice(-2_000)}`,
      )
      void member.process.kill()
    }, STOP_DEADLINE_MS)
    await member.process.exited
    clearTimeout(timer)
  }

  stall(place: number): void {
    const member = this.members.get(place)
    if (member === undefined) return
    member.isStalled = true
    member.process.stall()
  }

  resume(place: number): void {
    const member = this.members.get(place)
    if (member !== undefined) this.resumeMember(member)
  }

  tell(place: number, order: string): void {
    this.members.get(place)?.process.writeLine(order)
  }

  async waitUntilReady(place: number, deadlineMs = 60_000): Promise<void> {
    await this.members.get(place)?.process.waitForOutput(/ready/, { deadlineMs })
  }

  /** Whatever becomes of the rest. */
  async killAll(): Promise<void> {
    await Promise.all(this.places.map((place) => this.kill(place)))
  }

  private resumeMember(member: Member): void {
    if (member.isStalled) member.process.resume()
    member.isStalled = false
  }

  private leave(place: number): Member | undefined {
    const member = this.members.get(place)
    if (member === undefined) return undefined
    member.isEnding = true
    this.members.delete(place)
    return member
  }
}
