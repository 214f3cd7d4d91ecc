// Charts: what started and how it ended, how long it took, and what failed, over the last minutes to days.

import { useMemo } from 'preact/hooks'
import { usePoll } from '../api/poll.js'
import { latencyLines, rateLine, timesOf, total, type Counted } from '../charts/series.js'
import { Chart } from '../charts/chart.js'
import { nowMs } from '../clock.js'
import { number } from '../format.js'
import { Bones, Failed } from '../parts/state.js'
import { go, place, withQuery } from '../router.js'

const WINDOWS = [
  { value: '15m', name: '15 minutes', lastMs: 900_000 },
  { value: '', name: '1 hour', lastMs: 3_600_000 },
  { value: '6h', name: '6 hours', lastMs: 21_600_000 },
  { value: '24h', name: '24 hours', lastMs: 86_400_000 },
] as const
const SPANS = 60

export function ChartsPage() {
  const { query } = place.value
  const { lastMs } = WINDOWS.find(({ value }) => value === (query.get('last') ?? '')) ?? WINDOWS[1]
  const workflow = query.get('workflow') ?? ''
  const bucketMs = lastMs / SPANS
  const filter = workflow === '' ? '' : `&workflow=${encodeURIComponent(workflow)}`
  const { data, last, error, refresh } = usePoll<Counted>(
    `/stats/throughput?lastMs=${lastMs}&bucketMs=${bucketMs}${filter}`,
    5_000,
  )
  const { data: listed } = usePoll<{ workflows: { workflow: string }[] }>('/workflows', 30_000)
  const names = [...new Set((listed?.workflows ?? []).map((one) => one.workflow))].toSorted()
  const counted = data ?? last
  return (
    <>
      <div class="page-head">
        <h1>Charts</h1>
        <span class="push" />
        <select
          class="field"
          aria-label="Workflow"
          value={workflow}
          onChange={(event) => go(withQuery({ workflow: event.currentTarget.value }))}
        >
          <option value="">every workflow</option>
          {names.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
        <select
          class="field"
          aria-label="Time"
          value={query.get('last') ?? ''}
          onChange={(event) => go(withQuery({ last: event.currentTarget.value }))}
        >
          {WINDOWS.map(({ value, name }) => (
            <option key={value} value={value}>
              {name}
            </option>
          ))}
        </select>
      </div>
      {error !== undefined && counted !== undefined && <p class="note-bad">{error.message}</p>}
      {counted === undefined ? (
        <section class="panel">
          {error === undefined ? <Bones /> : <Failed error={error} retry={refresh} />}
        </section>
      ) : (
        <Drawn counted={counted} lastMs={lastMs} />
      )}
    </>
  )
}

function Drawn({ counted, lastMs }: { readonly counted: Counted; readonly lastMs: number }) {
  const { rates, latencies, failures, times } = useMemo(() => {
    const axis = timesOf(counted, lastMs, nowMs())
    const line = (of: Parameters<typeof rateLine>[2]) => rateLine(counted, axis, of)
    return {
      times: axis,
      rates: [line('started'), line('completed')],
      latencies: latencyLines(counted, axis),
      failures: [line('failed'), line('canceled'), line('terminated')],
    }
  }, [counted, lastMs])
  const started = total(counted, 'started')
  const failed = total(counted, 'failed')
  return (
    <>
      {counted.cutShort.length > 0 && (
        <p class="note-warn">
          The newest 20,000 of a workflow are counted; older ones are left out of{' '}
          {counted.cutShort.join(', ')}.
        </p>
      )}
      <ul class="cards" aria-label="In all">
        <Card name="started" value={number(started)} />
        <Card name="completed" value={number(total(counted, 'completed'))} />
        <Card
          name="failed"
          value={`${number(failed)}${started > 0 ? ` (${number((failed / started) * 100)} %)` : ''}`}
        />
        <Card
          name="canceled or terminated"
          value={number(total(counted, 'canceled') + total(counted, 'terminated'))}
        />
      </ul>
      <Chart title="Throughput" unit="per minute" times={times} lines={rates} />
      <Chart title="Latency, start to end, 95th percentile" unit="ms" times={times} lines={latencies} />
      <Chart title="Failures" unit="per minute" times={times} lines={failures} />
      <p class="muted padded">
        By the time at which executions were started. The newest span is still being counted.
      </p>
    </>
  )
}

function Card({ name, value }: { readonly name: string; readonly value: string }) {
  return (
    <li class="panel card">
      <h2>{name}</h2>
      <p class="big">{value}</p>
    </li>
  )
}
