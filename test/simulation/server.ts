// The simulated database server and the way to it. A statement is on its way, is carried out at one instant, and its
// answer is on its way back; each of the three can be slow or go wrong: requests and answers are lost, statements take
// effect long after their sender was told that the connection broke, the server stalls for seconds or restarts.

import type { Chance } from './chance.js'
import type { Timeline } from './timeline.js'

/** As the driver throws them. */
function broken(code: 'CONNECTION_CLOSED' | 'ECONNREFUSED'): Error {
  return Object.assign(new Error(`simulated: ${code}`), { code })
}

interface Waiting {
  readonly carryOut: () => void
  readonly cut: () => void
}

export class Server {
  state: 'up' | 'stalled' | 'down' = 'up'
  /** What reached a server that stands still. */
  #waiting: Waiting[] = []

  arrive(request: Waiting, refused: () => void): void {
    if (this.state === 'up') request.carryOut()
    else if (this.state === 'stalled') this.#waiting.push(request)
    else refused()
  }

  stall(): void {
    if (this.state === 'up') this.state = 'stalled'
  }

  /** What it was at is lost. */
  crash(): void {
    this.state = 'down'
    for (const { cut } of this.#waiting.splice(0)) cut()
  }

  goOn(): void {
    this.state = 'up'
    for (const { carryOut } of this.#waiting.splice(0)) carryOut()
  }
}

export interface LinkOptions {
  readonly timeline: Timeline
  readonly server: Server
  readonly chance: Chance
  /** Calls the process of this link, when it can hear: at once, after its pause, or never. */
  readonly deliver: (callback: () => void) => boolean
  /** Something went wrong on this link alone. */
  readonly onTrouble: () => void
}

/** How long it takes until a connection that leads nowhere is known to be broken. */
const NOTICED_MIN_MS = 5
const NOTICED_MAX_MS = 1_500
/** What was sent over a broken connection arrives up to this long afterwards. */
const LATE_MAX_MS = 4_000
const HOP_MIN_MS = 0.1
const HOP_MAX_MS = 2

export class Link {
  /** Nothing passes. */
  isCut = false
  /** Of requests, answers and late ones: each this often. */
  lossProbability = 0
  /** Each hop takes so much longer, at most. */
  slowMs = 0
  readonly #options: LinkOptions

  constructor(options: LinkOptions) {
    this.#options = options
  }

  /** One statement: `carryOut` is called at the server, once or never. */
  trip<T>(carryOut: () => T): Promise<T> {
    const { timeline, server, chance, deliver, onTrouble } = this.#options
    return new Promise((resolve, reject) => {
      const cut = (): void => this.#noticed(() => reject(broken('CONNECTION_CLOSED')))
      const reset = (): void => this.#later(() => deliver(() => reject(broken('CONNECTION_CLOSED'))))
      const refused = (): void => this.#later(() => deliver(() => reject(broken('ECONNREFUSED'))))
      const fate = this.#fate()
      if (fate !== 'well') onTrouble()
      if (fate === 'cut' || fate === 'request lost') return cut()
      const answer = (settle: () => void): void => {
        if (this.isCut || fate === 'answer lost') cut()
        else this.#later(() => deliver(settle))
      }
      const request = {
        carryOut: () => {
          try {
            const result = carryOut()
            answer(() => resolve(result))
          } catch (error) {
            answer(() => reject(error))
          }
        },
        // The server itself says so.
        cut: reset,
      }
      if (fate !== 'late') return this.#later(() => server.arrive(request, refused))
      cut()
      const late = { carryOut: () => void carryOut(), cut: () => undefined }
      timeline.after(chance.between(0, LATE_MAX_MS), () => server.arrive(late, () => undefined))
    })
  }

  /** Something that nobody waits for; it may be lost. */
  tell(heard: () => void): void {
    const { chance, deliver } = this.#options
    if (!this.isCut && !chance.chance(this.lossProbability)) this.#later(() => deliver(heard))
  }

  #fate(): 'well' | 'cut' | 'request lost' | 'answer lost' | 'late' {
    if (this.isCut) return 'cut'
    if (this.lossProbability === 0 || !this.#options.chance.chance(this.lossProbability * 3)) return 'well'
    return (['request lost', 'answer lost', 'late'] as const)[this.#options.chance.below(3)] ?? 'well'
  }

  #later(happen: () => unknown): void {
    const { timeline, chance, onTrouble } = this.#options
    if (this.slowMs > 0) onTrouble()
    timeline.after(chance.between(HOP_MIN_MS, HOP_MAX_MS + this.slowMs), happen)
  }

  #noticed(happen: () => void): void {
    const { timeline, chance, deliver } = this.#options
    timeline.after(chance.between(NOTICED_MIN_MS, NOTICED_MAX_MS), () => deliver(happen))
  }
}
