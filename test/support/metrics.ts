// The text of /metrics as Prometheus would read it: parsed by a parser that is not ours. The parser throws the labels of
// histograms away, so their lines are read a second time, as what they are in the text: series with a name of their own.

import parse, { type Family, type Series } from 'parse-prometheus-text-format'

export class Metrics {
  readonly families: readonly Family[]
  /** The parser begins anew with each change of the name. */
  private readonly byName = new Map<string, readonly Series[]>()

  constructor(text: string) {
    this.families = parse(text)
    const plain = parse(text.replaceAll(/^# TYPE \S+ histogram$/gm, ''))
    for (const { name, metrics } of plain)
      this.byName.set(name, [...(this.byName.get(name) ?? []), ...metrics])
  }

  /** The sum over all series that have these labels: values, or the counts of a histogram. */
  sum(name: string, labels: Readonly<Record<string, string>> = {}): number {
    const family = this.families.find((each) => each.name === name)
    const counted = family?.type === 'HISTOGRAM' ? `${name}_count` : name
    return this.series(counted, labels).reduce((sum, { value }) => sum + Number(value), 0)
  }

  /** As the lines say: `_bucket`, `_sum` and `_count` of a histogram. */
  series(name: string, labels: Readonly<Record<string, string>> = {}): readonly Series[] {
    return (this.byName.get(name) ?? []).filter((series) =>
      Object.entries(labels).every(([label, value]) => series.labels?.[label] === value),
    )
  }
}
