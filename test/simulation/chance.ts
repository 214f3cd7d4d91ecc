// Chance from a seed: the same seed draws the same numbers for ever (mulberry32), so that a run can be replayed.

export class Chance {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** In [0, 1). */
  fraction(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }

  between(min: number, max: number): number {
    return min + (max - min) * this.fraction()
  }

  /** A whole number below `n`. */
  below(n: number): number {
    return Math.floor(this.fraction() * n)
  }

  chance(probability: number): boolean {
    return this.fraction() < probability
  }

  pick<T>(among: readonly T[]): T | undefined {
    return among[this.below(among.length)]
  }

  /** Chance of its own, that draws nothing from this one afterwards. */
  branch(): Chance {
    return new Chance(Math.floor(this.fraction() * 4_294_967_296))
  }
}
