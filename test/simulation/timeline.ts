// Simulated time: what is to happen at which instant, in order. Between two happenings all code runs to its rest, so
// that no time passes while anything can still go on by itself: the same happenings give the same run.
// While it is held, the process's chance, its `setImmediate` and its CPU time are the simulation's.

import type { Chance } from './chance.js'

interface Happening {
  readonly atMs: number
  /** Happenings of one instant come in the order in which they were asked for. */
  readonly order: number
  readonly happen: () => unknown
  isCanceled: boolean
}

const realImmediate = setImmediate

export class Timeline {
  nowMs: number
  /** Happenings so far. */
  happened = 0
  #heap: Happening[] = []
  #order = 0
  #immediates = 0

  constructor(startMs: number) {
    this.nowMs = startMs
  }

  /** Calls once, `ms` from now; returns the cancel function. What it calls must not wake sleeping code. */
  after(ms: number, happen: () => unknown): () => void {
    const happening = { atMs: this.nowMs + Math.max(0, ms), order: this.#order++, happen, isCanceled: false }
    this.#push(happening)
    return () => {
      happening.isCanceled = true
    }
  }

  /** Lets time pass up to an instant, or until `isOver`. A happening that returns true woke code, which runs to its rest. */
  async run(untilMs: number, isOver: () => boolean = () => false): Promise<void> {
    while (!isOver()) {
      const next = this.#heap[0]
      if (next === undefined || next.atMs > untilMs) {
        this.nowMs = Math.max(this.nowMs, untilMs)
        return
      }
      this.#pop()
      if (next.isCanceled) continue
      this.nowMs = next.atMs
      this.happened++
      if (next.happen() === true) await this.rest()
    }
  }

  /** Until nothing can go on without time passing. */
  async rest(): Promise<void> {
    do await new Promise((resolve) => realImmediate(resolve))
    while (this.#immediates > 0)
  }

  /** Until the function returned is called, no code here draws chance or is called back but by this timeline. */
  hold(chance: Chance): () => void {
    const { random } = Math
    const cpuUsage: unknown = Reflect.get(process, 'cpuUsage')
    const immediate = globalThis.setImmediate
    Math.random = () => chance.fraction()
    // What nodes say of their load; asking the system costs more than all else that they do.
    Reflect.set(process, 'cpuUsage', () => ({ user: 0, system: 0 }))
    Reflect.set(
      globalThis,
      'setImmediate',
      (callback: (...given: unknown[]) => void, ...given: unknown[]) => {
        this.#immediates++
        return realImmediate(() => {
          this.#immediates--
          callback(...given)
        })
      },
    )
    return () => {
      Math.random = random
      Reflect.set(process, 'cpuUsage', cpuUsage)
      Reflect.set(globalThis, 'setImmediate', immediate)
    }
  }

  #push(happening: Happening): void {
    const heap = this.#heap
    let at = heap.push(happening) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      const above = heap[parent]
      if (above === undefined || isBefore(above, happening)) break
      heap[at] = above
      at = parent
    }
    heap[at] = happening
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      let below = heap[child]
      if (below === undefined) break
      const right = heap[child + 1]
      if (right !== undefined && isBefore(right, below)) {
        child++
        below = right
      }
      if (isBefore(last, below)) break
      heap[at] = below
      at = child
    }
    heap[at] = last
  }
}

function isBefore(a: Happening, b: Happening): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}
