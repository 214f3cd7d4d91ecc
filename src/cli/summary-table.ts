// The summary of the example as a table: outcomes first, then what it took. Pure.

import type { Summary } from '../examples/flights/summary.js'
import type { TableData } from './output.js'

export function summaryTable(
  summary: Summary,
  { problems, ownMs }: { readonly problems: number; readonly ownMs: number },
): TableData {
  const { outcomes, events, spanMs, most, latency, retries, payments, paidCents } = summary
  const executions = [...outcomes.values()].reduce((sum, count) => sum + count, 0)
  const rows: [string, string][] = [
    ['executions', number(executions)],
    ...[...outcomes].map(([outcome, count]): [string, string] => [`  ${outcome}`, number(count)]),
    ['events', number(events)],
    ['from the first start to the last end', seconds(spanMs)],
    ['  this process took', seconds(ownMs)],
    [
      `throughput until ${most.share * 100} % had ended`,
      `${rate(executions * most.share, most.afterMs)} executions/s, about ${rate(events * most.share, most.afterMs)} events/s`,
    ],
  ]
  if (latency !== undefined) {
    rows.push([
      'start to end, p50 · p95 · p99',
      [latency.p50Ms, latency.p95Ms, latency.p99Ms].map(seconds).join(' · '),
    ])
  }
  rows.push(
    ['retries of the bank', number(retries)],
    ['payments', number(payments)],
    ['paid', `${number(paidCents / 100)}`],
    ['audit', problems === 0 ? 'clean: none lost, none paid twice' : `${number(problems)} problems`],
  )
  return { head: ['compensation of delayed flights', ''], rows }
}

function number(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 2 })
}

function seconds(spanMs: number): string {
  return `${number(spanMs / 1_000)} s`
}

function rate(count: number, spanMs: number): string {
  return spanMs === 0 ? '-' : number(Math.round(count / (spanMs / 1_000)))
}
