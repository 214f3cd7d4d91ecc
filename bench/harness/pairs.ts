// Two contestants in turns, so that both meet the same noise of a shared machine: ours, reference, ours, reference …
// What counts is the ratio of neighbors; its median and its spread are the result.

export interface Slice {
  /** Units of work done. */
  readonly units: number
  readonly seconds: number
}

export interface Contestant {
  readonly name: string
  /** Works for about this long and says what it did. */
  run(seconds: number): Promise<Slice>
}

export interface PairResult {
  readonly ours: number
  readonly reference: number
  readonly ratio: number
  /** Lowest and highest of the rounds. */
  readonly spread: {
    readonly ours: readonly [number, number]
    readonly reference: readonly [number, number]
    readonly ratio: readonly [number, number]
  }
  readonly runs: number
}

export async function runPairs(options: {
  readonly ours: Contestant
  readonly reference: Contestant
  readonly rounds: number
  /** Of each contestant, over all rounds. */
  readonly seconds: number
  readonly onProgress: (text: string) => void
}): Promise<PairResult> {
  const { ours, reference, rounds, seconds, onProgress } = options
  const rates: { ours: number; reference: number; ratio: number }[] = []
  for (let round = 1; round <= rounds; round++) {
    const mine = rateOf(await ours.run(seconds / rounds))
    const theirs = rateOf(await reference.run(seconds / rounds))
    rates.push({ ours: mine, reference: theirs, ratio: mine / theirs })
    onProgress(
      `round ${round}/${rounds}: ${ours.name} ${Math.round(mine)}/s, ${reference.name} ${Math.round(theirs)}/s, ratio ${(mine / theirs).toFixed(2)}`,
    )
  }
  const of = (name: 'ours' | 'reference' | 'ratio'): number[] => rates.map((rate) => rate[name])
  return {
    ours: median(of('ours')),
    reference: median(of('reference')),
    ratio: median(of('ratio')),
    spread: { ours: range(of('ours')), reference: range(of('reference')), ratio: range(of('ratio')) },
    runs: rounds,
  }
}

function rateOf({ units, seconds }: Slice): number {
  return units / seconds
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

function range(values: readonly number[]): [number, number] {
  return [Math.min(...values), Math.max(...values)]
}
