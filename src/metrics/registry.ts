// Puts what was counted into prom-client when somebody asks, and into nothing before: a registry of readers, one for each
// name. The library does the format; its own counters, which look labels up with each increment, are not used.

import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { Distribution } from './distribution.js'
import { METRICS, type MetricDefinition, type MetricName } from './names.js'

export interface Sample {
  readonly labels?: Readonly<Record<string, string>>
  readonly value: number | Distribution
}

export type Reader = () => readonly Sample[]

/** One reader for each name: the type asks for all of them. */
export function registryOf<Name extends MetricName>(readers: Readonly<Record<Name, Reader>>): Registry {
  const registry = new Registry()
  for (const [name, read] of Object.entries<Reader>(readers)) register(registry, name, read)
  return registry
}

function register(registry: Registry, name: string, read: Reader): void {
  const definition = new Map<string, MetricDefinition>(Object.entries(METRICS)).get(name)
  if (definition === undefined) throw new TypeError(`The metric ${name} is not in names.ts.`)
  const { kind, help, labels } = definition
  const shared = { name, help, labelNames: labels, registers: [registry] }
  switch (kind) {
    case 'counter':
      new Counter({
        ...shared,
        collect() {
          this.reset()
          for (const { labels = {}, value } of numbers(read())) this.inc(labels, value)
        },
      })
      break
    case 'gauge':
      new Gauge({
        ...shared,
        collect() {
          this.reset()
          for (const { labels = {}, value } of numbers(read())) this.set(labels, value)
        },
      })
      break
    case 'histogram':
      new Counted({ ...shared, buckets: [...(definition.buckets ?? [])] }, read)
      break
    default:
      kind satisfies never
  }
}

function numbers(samples: readonly Sample[]): { labels?: Readonly<Record<string, string>>; value: number }[] {
  return samples.flatMap(({ labels = {}, value }) => (typeof value === 'number' ? [{ labels, value }] : []))
}

/** A histogram that has been counted elsewhere. */
class Counted extends Histogram {
  /** Says name, help and type in the library's own words. */
  readonly #description: Histogram
  readonly #read: Reader

  constructor(configuration: ConstructorParameters<typeof Histogram>[0], read: Reader) {
    super(configuration)
    this.#description = new Histogram({ ...configuration, registers: [] })
    this.#read = read
  }

  override async get(): ReturnType<Histogram['get']> {
    const described = await this.#description.get()
    const values: typeof described.values = []
    for (const { labels = {}, value } of this.#read()) {
      if (typeof value !== 'number') values.push(...seriesOf(described.name, labels, value))
    }
    return { ...described, values }
  }

  /** What the registry asks for where it is there; without types in the library. */
  getForPromString(): ReturnType<Histogram['get']> {
    return this.get()
  }
}

type Values = Awaited<ReturnType<Histogram['get']>>['values']

function seriesOf(name: string, labels: Readonly<Record<string, string>>, counted: Distribution): Values {
  const values: Values = []
  let below = 0
  counted.counts.forEach((count, at) => {
    below += count
    const le = counted.bounds[at] ?? '+Inf'
    values.push({ metricName: `${name}_bucket`, labels: { ...labels, le }, value: below })
  })
  values.push({ metricName: `${name}_sum`, labels, value: counted.sum })
  values.push({ metricName: `${name}_count`, labels, value: below })
  return values
}
