// The history as it is stored: every event in order, each with its time since the start, opened for what it carries.

import { useState } from 'preact/hooks'
import type { Recorded } from '../api/types.js'
import { count, span, stamp } from '../format.js'
import { failureOf } from '../history/spans.js'
import { Copy } from '../parts/copy.js'
import { pretty } from '../parts/json.js'
import { EventBody } from './span-detail.js'

const ROWS_STEP = 200

export function EventList({ events }: { readonly events: readonly Recorded[] }) {
  const [text, setText] = useState('')
  const [rows, setRows] = useState(ROWS_STEP)
  const wanted = text.trim().toLowerCase()
  const passing = events.filter(
    ({ type, name }) => wanted === '' || `${type} ${name ?? ''}`.toLowerCase().includes(wanted),
  )
  const startMs = Date.parse(events[0]?.at ?? '')
  return (
    <>
      <div class="pager top">
        <input
          class="field"
          type="search"
          aria-label="Filter events by type or name"
          placeholder="type or name"
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <span class="muted">{count(passing.length, 'event')}</span>
        <span class="push" />
        <Copy text={pretty(events)} what="all events as JSON" />
      </div>
      <ol class="events">
        {passing.slice(0, rows).map((event) => (
          <EventRow key={event.version} event={event} startMs={startMs} />
        ))}
      </ol>
      {rows < passing.length && (
        <div class="pager">
          <button type="button" class="button small" onClick={() => setRows(rows + ROWS_STEP)}>
            Show more
          </button>
        </div>
      )}
    </>
  )
}

function EventRow({ event, startMs }: { readonly event: Recorded; readonly startMs: number }) {
  const [isOpen, setIsOpen] = useState(false)
  const atMs = Date.parse(event.at)
  return (
    <li>
      <button
        type="button"
        class="event-row"
        data-row
        aria-expanded={isOpen ? 'true' : 'false'}
        onClick={() => setIsOpen(!isOpen)}
      >
        <span class="event-version">{event.version}</span>
        <span class="event-time" title={stamp(atMs, { exact: true })}>
          +{span(atMs - startMs)}
        </span>
        <span class={`event-type ${toneOf(event)}`}>{event.type}</span>
        <span class="event-name">
          {event.name}
          {event.attempt !== undefined && event.attempt > 1 && <span class="times">×{event.attempt}</span>}
        </span>
        <span class="event-gist">{gistOf(event)}</span>
      </button>
      {isOpen && (
        <div class="span-detail">
          <p class="muted">{stamp(atMs, { exact: true })}</p>
          <EventBody event={event} />
        </div>
      )}
    </li>
  )
}

function toneOf({ type }: Recorded): string {
  if (/failed|rejected|timed_out|terminated|canceled|cancel_requested/.test(type)) return 'bad'
  return /completed|received|ended|admitted/.test(type) ? 'good' : ''
}

const GIST_CHARACTERS = 160

function gistOf(event: Recorded): string {
  const failure = failureOf(event.payload)
  if (failure !== undefined) return `${failure.type}: ${failure.message}`.slice(0, GIST_CHARACTERS)
  const carried = event.payload ?? (event.type === 'attributes_set' ? event.detail : undefined)
  return carried === undefined ? '' : (JSON.stringify(carried) ?? '').slice(0, GIST_CHARACTERS)
}
