// What is known about one bar of the timeline: its times, its events with what they carry, and for a step that was
// tried again what changed from one attempt to the next.

import { useState } from 'preact/hooks'
import type { Recorded } from '../api/types.js'
import { span as spanText, stamp } from '../format.js'
import { diffLines } from '../history/diff.js'
import { failureOf, type Attempt, type Span } from '../history/spans.js'
import { JsonView, readable } from '../parts/json.js'
import { executionPath } from '../router.js'
import { ForkDialog } from './fork-dialog.js'

export interface SpanDetailProps {
  readonly executionId: string
  readonly span: Span
  readonly events: readonly Recorded[]
  /** Only the latest run can be forked. */
  readonly isLatestRun: boolean
}

export function SpanDetail({ executionId, span, events, isLatestRun }: SpanDetailProps) {
  const own = events.filter(({ version }) => span.versions.includes(version))
  return (
    <div class="span-detail">
      <dl class="facts">
        <dt>from</dt>
        <dd>
          {stamp(span.startMs, { exact: true })}
          {span.isStartGuessed && <span class="muted"> (the event before)</span>}
        </dd>
        {span.endMs !== undefined && (
          <>
            <dt>to</dt>
            <dd>
              {stamp(span.endMs, { exact: true })}{' '}
              <span class="muted">({spanText(span.endMs - span.startMs)})</span>
            </dd>
          </>
        )}
        {span.dueMs !== undefined && (
          <>
            <dt>due</dt>
            <dd>{stamp(span.dueMs, { exact: true })}</dd>
          </>
        )}
        {span.childId !== undefined && (
          <>
            <dt>child</dt>
            <dd>
              <a class="mono" href={executionPath(span.childId)}>
                {span.childId}
              </a>
            </dd>
          </>
        )}
      </dl>
      {isLatestRun && <Forks executionId={executionId} span={span} />}
      {span.attempts.length > 1 && <AttemptDiff attempts={span.attempts} />}
      {own.map((event) => (
        <EventBody key={event.version} event={event} />
      ))}
    </div>
  )
}

/** Anew from before it, or on from after it. */
function Forks({
  executionId,
  span: { versions, kind, endMs },
}: Pick<SpanDetailProps, 'executionId' | 'span'>) {
  const [version, setVersion] = useState<number | undefined>()
  const before = Math.min(...versions) - 1
  return (
    <div class="spread">
      {before >= 1 && (
        <button type="button" class="button small" onClick={() => setVersion(before)}>
          Fork, this {kind} anew…
        </button>
      )}
      {endMs !== undefined && (
        <button type="button" class="button small" onClick={() => setVersion(Math.max(...versions))}>
          Fork from after it…
        </button>
      )}
      {version !== undefined && (
        <ForkDialog executionId={executionId} version={version} onClose={() => setVersion(undefined)} />
      )}
    </div>
  )
}

export function EventBody({ event }: { readonly event: Recorded }) {
  const failure = failureOf(event.payload)
  return (
    <section class="event-body">
      <h3>
        {event.version} {event.type}
        {event.attempt !== undefined && `, attempt ${event.attempt}`}
      </h3>
      {failure !== undefined && (
        <p class="bad">
          {failure.type}: {failure.message}
        </p>
      )}
      {event.payload === undefined && event.detail === undefined && <p class="muted">It carries nothing.</p>}
      {event.payload !== undefined && (
        <JsonView value={event.payload} what={`payload of event ${event.version}`} />
      )}
      {event.detail !== undefined && (
        <>
          <h3>the engine’s own</h3>
          <JsonView value={event.detail} what={`detail of event ${event.version}`} />
        </>
      )}
    </section>
  )
}

function AttemptDiff({ attempts }: { readonly attempts: readonly Attempt[] }) {
  const [at, setAt] = useState(attempts.length - 1)
  const before = attempts[at - 1]
  const after = attempts[at]
  if (before === undefined || after === undefined) return null
  const lines = diffLines(readable(before.payload), readable(after.payload))
  return (
    <section class="event-body">
      <h3 class="spread">
        From attempt {before.number} to
        <select
          class="field"
          aria-label="Attempt to compare with the one before"
          value={at}
          onChange={(event) => setAt(Number(event.currentTarget.value))}
        >
          {attempts.slice(1).map(({ number }, index) => (
            <option key={number} value={index + 1}>
              attempt {number}
            </option>
          ))}
        </select>
      </h3>
      {lines === undefined ? (
        <p class="muted">Too long to be compared here. Copy both below.</p>
      ) : (
        <pre class="diff" tabIndex={0} aria-label="What changed between the attempts">
          {lines.map(({ kind, text }) => (
            <span class={kind}>
              {kind === 'same' ? '  ' : kind === 'gone' ? '− ' : '+ '}
              {text}
              {'\n'}
            </span>
          ))}
        </pre>
      )}
    </section>
  )
}
