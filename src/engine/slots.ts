// A bounded number of things at a time; the rest wait their turn in order. Synchronous when a slot is free: a step
// must not pay a promise for a limit that is not reached.

export class Slots {
  private taken = 0
  private readonly waiting: (() => void)[] = []
  private readonly max: number

  constructor(max: number) {
    this.max = max
  }

  /** Calls `begin` now, or when a slot is free; every `begin` must be followed by one `release`. */
  acquire(begin: () => void): void {
    if (this.taken < this.max) {
      this.taken++
      begin()
    } else {
      this.waiting.push(begin)
    }
  }

  release(): void {
    const next = this.waiting.shift()
    if (next === undefined) this.taken--
    else next()
  }

  get used(): number {
    return this.taken
  }
}
