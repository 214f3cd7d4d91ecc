// What is asked of the nodes during a round: programs are started, sent what they wait for, some of them canceled,
// terminated or paused. Every request is repeated until it is acknowledged, some of them once more after that; what has
// been acknowledged must be there in the end, once.

import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import type { Client } from '../../src/client/client.js'
import { errorCode } from '../../src/core/errors.js'
import { seededRandom } from '../../src/workflow/chance.js'
import { QUEUE, type Job } from '../property/interpreter.js'
import { countTakes, locate, programs, type Program } from '../property/program.js'
import { LANES, UNAVAILABLE } from './workflows.js'

export interface Subject {
  readonly id: string
  readonly program: Program
  /** Nobody says how such a one ends. */
  readonly isMeddledWith: boolean
}

export interface LoadOptions {
  readonly client: Client
  readonly seed: number
  /** How many are started in a second. */
  readonly rate: number
  /** More than these are not open at a time. */
  readonly openMax: number
}

export class Load {
  readonly subjects: Subject[] = []
  readonly starts = new Set<string>()
  readonly messages: { readonly executionId: string; readonly messageId: string }[] = []
  /** Requests that got an answer, and attempts that got none. */
  acknowledged = 0
  repeated = 0
  readonly findings: string[] = []
  private readonly options: LoadOptions
  private readonly random: () => number
  private readonly drives = new Set<Promise<void>>()
  private readonly giveUp = new AbortController()
  private openSubjects = 0

  constructor(options: LoadOptions) {
    this.options = options
    this.random = seededRandom(`chaos load ${options.seed}`, 1)
  }

  /** Brings subjects until the signal aborts. */
  async bring(signal: AbortSignal): Promise<void> {
    const { seed, rate, openMax } = this.options
    const drawn = fc.sample(programs({ late: true }), { numRuns: SUBJECTS_MAX, seed })
    for (const [n, program] of drawn.entries()) {
      if (signal.aborted) break
      const isMeddledWith = this.random() < 0.12
      const subject: Subject = { id: `s${n}`, program, isMeddledWith }
      this.subjects.push(subject)
      this.keep(this.drive(subject))
      if (n % 10 === 0) this.keep(this.start('patient', `patient${n}`, undefined))
      for (const lane of n % 10 === 5 ? LANES : [])
        for (const turn of [1, 2])
          this.keep(this.start('narrow', `narrow ${lane} ${n} ${turn}`.replaceAll(' ', '-'), lane))
      if (n % 40 === 20)
        for (let hog = 0; hog < 12; hog++) this.keep(this.start('hog', `hog${n}-${hog}`, undefined))
      // An arrival now and then, not one after the other.
      await sleep(((0.5 + this.random()) * 1_000) / rate, undefined, { signal }).catch(() => undefined)
      while (this.openSubjects >= openMax && !signal.aborted) await sleep(50)
    }
  }

  /** Resolves when every request has got its answer. */
  async answered(deadlineMs: number): Promise<void> {
    const timer = setTimeout(() => this.giveUp.abort(), deadlineMs)
    while (this.drives.size > 0) await Promise.all(this.drives)
    clearTimeout(timer)
  }

  private keep(drive: Promise<void>): void {
    const kept = drive
      .catch((error: unknown) => void this.findings.push(`a request failed: ${String(error)}`))
      .finally(() => this.drives.delete(kept))
    this.drives.add(kept)
  }

  private async drive(subject: Subject): Promise<void> {
    this.openSubjects++
    try {
      const { id, program } = subject
      await this.start('program', id, { program, prefix: '', log: [] } satisfies Job)
      const meddling = subject.isMeddledWith ? this.meddle(id) : undefined
      await this.sendAll(subject)
      await Promise.all(locate(program, '').map(({ path, node }) => this.ask(subject, path, node)))
      await meddling
    } finally {
      this.openSubjects--
    }
  }

  private async start(workflow: string, id: string, input: unknown): Promise<void> {
    await this.request(`start ${id}`, () => this.options.client.start(workflow, input, { id }))
    this.starts.add(id)
  }

  private async sendAll(subject: Subject): Promise<void> {
    const { program } = subject
    const takes = countTakes(program)
    for (let n = 0; n < takes; n++)
      await this.signal(subject, { name: QUEUE, value: n, signalId: `${QUEUE} ${n}` })
    for (const { path, node } of locate(program, '')) {
      if (node.kind === 'signal' && node.sent === 'early')
        await this.signal(subject, { name: path, value: node.value, signalId: path })
    }
  }

  private async signal(
    { id, isMeddledWith }: Subject,
    { name, value, signalId }: { readonly name: string; readonly value: unknown; readonly signalId: string },
  ): Promise<void> {
    const send = (): Promise<void> => this.options.client.signal(id, name, value, { signalId })
    const sent = await this.request(`signal ${signalId} to ${id}`, send, isMeddledWith)
    if (sent === REFUSED) return
    this.messages.push({ executionId: id, messageId: `signal:${signalId}` })
  }

  /** Updates are answered when the execution comes to them, by whichever node. */
  private async ask(
    { id, isMeddledWith }: Subject,
    path: string,
    node: { readonly kind: string; readonly value?: unknown },
  ): Promise<void> {
    if (node.kind !== 'update') return
    const { client } = this.options
    const options = { updateId: path, timeout: '10s' }
    const answer = await this.request(
      `update ${path} of ${id}`,
      () => client.update(id, path, node.value, options),
      isMeddledWith,
    )
    if (answer === REFUSED) return
    this.messages.push({ executionId: id, messageId: `update:${path}` })
    if (answer !== Number(node.value) * 2)
      this.findings.push(`${id}: update ${path} was answered with ${String(answer)}`)
  }

  private async meddle(id: string): Promise<void> {
    const { client } = this.options
    const choice = this.random()
    await sleep(this.random() * 1_500)
    if (choice < 0.5) await this.request(`cancel ${id}`, () => client.cancel(id), true)
    else if (choice < 0.75) await this.request(`terminate ${id}`, () => client.terminate(id), true)
    else await this.pauseForAWhile(id)
  }

  /** The request takes effect later than it is answered: it is resumed for as long as it may be found paused. */
  private async pauseForAWhile(id: string): Promise<void> {
    const { client } = this.options
    await this.request(`pause ${id}`, () => client.pause(id), true)
    while (!this.giveUp.signal.aborted) {
      await sleep(500)
      const { status, closedAt } = await this.request(`get ${id}`, () => client.get(id))
      if (closedAt !== null) return
      if (status === 'paused') await this.request(`resume ${id}`, () => client.resume(id), true)
    }
  }

  /** Repeats it until it is answered; now and then once more, as a sender does that has forgotten the answer. */
  private request<T>(what: string, send: () => Promise<T>): Promise<T>
  private request<T>(what: string, send: () => Promise<T>, mayBeRefused: boolean): Promise<T | typeof REFUSED>
  private async request<T>(
    what: string,
    send: () => Promise<T>,
    mayBeRefused = false,
  ): Promise<T | typeof REFUSED> {
    const isForgetful = this.random() < 0.2
    for (;;) {
      try {
        const answer = await send()
        this.acknowledged++
        if (!isForgetful) return answer
        await send().catch((error: unknown) => {
          if (!isPassing(error)) throw error
          this.repeated++
        })
        return answer
      } catch (error) {
        if (mayBeRefused && REFUSALS.has(errorCode(error) ?? '')) return REFUSED
        if (!isPassing(error)) throw new Error(`${what}: ${String(error)}`, { cause: error })
        if (this.giveUp.signal.aborted)
          throw new Error(`${what} was never answered: ${String(error)}`, { cause: error })
        this.repeated++
        await sleep(100)
      }
    }
  }
}

const SUBJECTS_MAX = 2_000
const REFUSED = Symbol('refused')
const REFUSALS: ReadonlySet<string> = new Set([
  'EXECUTION_CLOSED',
  'EXECUTION_NOT_RESUMABLE',
  'UPDATE_REJECTED',
])

function isPassing(error: unknown): boolean {
  const code = errorCode(error) ?? ''
  return UNAVAILABLE.has(code) || code === 'UPDATE_TIMEOUT'
}
