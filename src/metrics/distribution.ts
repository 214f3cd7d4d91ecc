// A histogram as it is counted: a preallocated row of counters, found by a short walk. No labels, no maps, no garbage:
// an observation costs some ten nanoseconds. Whoever exports it adds the counts up.

export class Distribution {
  readonly bounds: readonly number[]
  /** Of each bucket by itself; the last one is for what is over all bounds. */
  readonly counts: Float64Array
  sum = 0

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.counts = new Float64Array(bounds.length + 1)
  }

  get isEmpty(): boolean {
    return this.counts.every((count) => count === 0)
  }

  observe(value: number): void {
    const { bounds, counts } = this
    let at = 0
    while (at < bounds.length && value > (bounds[at] ?? Infinity)) at++
    counts[at] = (counts[at] ?? 0) + 1
    this.sum += value
  }

  /** The same for a span: metrics are in seconds, the engine in milliseconds. */
  observeMs(ms: number): void {
    this.observe(ms > 0 ? ms / 1_000 : 0)
  }
}
