// The timeline: a bar for each step, sleep, wait, child and update, on one axis of time; a step's attempts are parts of
// its bar. A bar opens what is known about it.

import { useState } from 'preact/hooks'
import type { Recorded } from '../api/types.js'
import { beat } from '../clock.js'
import { age, count, span as spanText, stamp } from '../format.js'
import { readTimeline, type Span } from '../history/spans.js'
import { Empty } from '../parts/state.js'
import { SpanDetail } from './span-detail.js'

const ROWS_STEP = 200
/** So many times as long as all that came before it. */
const LONG_WAIT = 4

export interface TimelineProps {
  readonly executionId: string
  readonly events: readonly Recorded[]
  readonly isOpen: boolean
}

interface Axis {
  readonly startMs: number
  readonly lengthMs: number
}

export function TimelineView({ executionId, events, isOpen }: TimelineProps) {
  const [openId, setOpenId] = useState<string | undefined>()
  const [rows, setRows] = useState(ROWS_STEP)
  const [isWhole, setIsWhole] = useState(false)
  const { spans, startMs, endMs } = readTimeline(events)
  if (spans.length === 0) {
    return (
      <Empty title={isOpen ? 'Nothing is recorded yet' : 'It took no steps'}>
        <p>
          {isOpen
            ? 'A step appears here when its result is recorded.'
            : 'Its code ended without a step, a sleep, a signal or a child.'}
        </p>
      </Empty>
    )
  }
  const lastMs = Math.max(...spans.map((span) => span.endMs ?? span.startMs))
  const nowMs = endMs ?? (isOpen ? Math.max(beat.value, lastMs) : lastMs)
  // One that has waited for long would show its steps as dots: then up to what is recorded, and a little of the wait.
  const isLongWait = nowMs - lastMs > LONG_WAIT * (lastMs - startMs)
  const isCut = isLongWait && !isWhole
  const untilMs = isCut ? lastMs + (lastMs - startMs) / LONG_WAIT : nowMs
  const axis = { startMs, lengthMs: Math.max(1, untilMs - startMs) }
  const shown = spans.slice(0, rows)
  const latestRun = Math.max(...spans.map(({ run }) => run))
  return (
    <>
      {isLongWait && (
        <div class="pager top">
          <span class="muted">
            {isCut
              ? `Cut: nothing has been recorded for ${spanText(nowMs - lastMs)}.`
              : 'The whole time until now.'}
          </span>
          <button type="button" class="button small push" onClick={() => setIsWhole(!isWhole)}>
            {isCut ? 'Show until now' : 'Cut the wait'}
          </button>
        </div>
      )}
      <div class="gantt">
        <AxisRow axis={axis} />
        <ul>
          {shown.map((span) => (
            <Row
              key={span.id}
              span={span}
              axis={axis}
              events={events}
              executionId={executionId}
              isLatestRun={span.run === latestRun}
              isShown={openId === span.id}
              toggle={() => setOpenId(openId === span.id ? undefined : span.id)}
            />
          ))}
        </ul>
      </div>
      {shown.length < spans.length && (
        <div class="pager">
          <span class="muted">
            {shown.length} of {count(spans.length, 'bar')}
          </span>
          <button type="button" class="button small" onClick={() => setRows(rows + ROWS_STEP)}>
            Show more
          </button>
        </div>
      )}
    </>
  )
}

const TICKS = [0, 0.25, 0.5, 0.75, 1]

function AxisRow({ axis }: { readonly axis: Axis }) {
  return (
    <div class="gantt-axis" aria-hidden="true">
      {TICKS.map((at) => (
        <span key={at} style={{ left: `${at * 100}%` }}>
          {at === 0 ? '0' : spanText(axis.lengthMs * at)}
        </span>
      ))}
    </div>
  )
}

interface RowProps {
  readonly executionId: string
  readonly isLatestRun: boolean
  readonly span: Span
  readonly axis: Axis
  readonly events: readonly Recorded[]
  readonly isShown: boolean
  readonly toggle: () => void
}

function Row({ span, axis, isShown, toggle, ...rest }: RowProps) {
  return (
    <li class={isShown ? 'open' : ''}>
      <button
        type="button"
        class="gantt-row"
        data-row
        aria-expanded={isShown ? 'true' : 'false'}
        title={sentenceOf(span)}
        onClick={toggle}
      >
        <span class="gantt-name">
          <span class={`kind ${span.kind}`}>{span.kind}</span>
          <span class="gantt-title">{span.name}</span>
          {span.attemptCount > 1 && <span class="times">×{span.attemptCount}</span>}
          <span class="unseen">{OUTCOMES[span.outcome]}</span>
        </span>
        <span class="gantt-track">
          <Bar span={span} axis={axis} />
        </span>
        <span class="gantt-length">{lengthOf(span)}</span>
      </button>
      {isShown && <SpanDetail span={span} {...rest} />}
    </li>
  )
}

function Bar({ span, axis }: { readonly span: Span; readonly axis: Axis }) {
  const endMs = Math.min(span.endMs ?? Number.POSITIVE_INFINITY, axis.startMs + axis.lengthMs)
  return (
    <>
      <span class={`bar ${span.kind} ${span.outcome}`} style={placed(axis, span.startMs, endMs)} />
      {span.attempts.map((one) => (
        <span
          key={one.version}
          class={one.isFailed ? 'attempt bad-one' : 'attempt'}
          style={placed(axis, one.startMs, one.endMs)}
        />
      ))}
    </>
  )
}

function placed(axis: Axis, fromMs: number, toMs: number) {
  const left = ((fromMs - axis.startMs) / axis.lengthMs) * 100
  return { left: `${left}%`, width: `${Math.max(0, ((toMs - fromMs) / axis.lengthMs) * 100)}%` }
}

const OUTCOMES = { done: 'done', failed: 'failed', 'timed-out': 'timed out', open: 'open' } as const

function lengthOf({ startMs, endMs, isStartGuessed, dueMs }: Span): string {
  if (endMs !== undefined) return isStartGuessed && endMs === startMs ? '–' : spanText(endMs - startMs)
  return dueMs === undefined ? 'waiting' : age(dueMs, beat.value)
}

function sentenceOf(span: Span): string {
  const tries = span.attemptCount > 1 ? `, ${count(span.attemptCount, 'attempt')}` : ''
  return `${span.kind} ${span.name}: ${OUTCOMES[span.outcome]}, ${lengthOf(span)}${tries}, from ${stamp(span.startMs, { exact: true })}`
}
