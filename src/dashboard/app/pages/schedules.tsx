// Schedules: what starts executions by the clock, when next, how it went so far; paused, resumed and triggered here.

import { useState } from 'preact/hooks'
import { usePoll } from '../api/poll.js'
import { change, newKey } from '../api/request.js'
import type { Json, Schedule } from '../api/types.js'
import type { ScheduleDetails } from '../../../client/schedules.js'
import { age, count, number, span, stamp } from '../format.js'
import { beat } from '../clock.js'
import { JsonView } from '../parts/json.js'
import { Bones, Empty, Failed } from '../parts/state.js'
import { Ago } from '../parts/time.js'
import { attempt } from '../parts/toasts.js'
import { executionPath, place, withQuery } from '../router.js'

interface SchedulePage {
  readonly schedules: readonly Schedule[]
  readonly cursor?: string
}

const ROWS = 50

export function SchedulesPage() {
  const cursor = place.value.query.get('cursor')
  const path = `/schedules?limit=${ROWS}${cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`}`
  const { data, error, refresh } = usePoll<SchedulePage>(path, 3_000)
  const schedules = data?.schedules ?? []
  return (
    <>
      <div class="page-head">
        <h1>Schedules</h1>
      </div>
      <section class="panel" aria-label="List of schedules">
        {data === undefined && error === undefined && <Bones />}
        {data === undefined && error !== undefined && <Failed error={error} retry={refresh} />}
        {data !== undefined && schedules.length === 0 && (
          <Empty title="No schedules">
            <p>
              Make one with <code>client.schedules.create(…)</code> or <code>cerebelum schedules create</code>
              .
            </p>
          </Empty>
        )}
        {schedules.length > 0 && (
          <div class="scroll">
            <table class="folds">
              <thead>
                <tr>
                  <th>State</th>
                  <th>Schedule</th>
                  <th>Workflow</th>
                  <th>When</th>
                  <th>Next</th>
                  <th>Last</th>
                  <th class="number">Fired</th>
                  <th class="number">Skipped</th>
                  <th class="number">Missed</th>
                  <th>
                    <span class="unseen">Actions</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {schedules.map((schedule) => (
                  <Row key={schedule.scheduleId} schedule={schedule} refresh={refresh} />
                ))}
              </tbody>
            </table>
          </div>
        )}
        {data?.cursor !== undefined && (
          <nav class="pager" aria-label="Pages of the list">
            <a class="button small push" href={withQuery({ cursor: data.cursor })}>
              More →
            </a>
          </nav>
        )}
      </section>
    </>
  )
}

function Row({ schedule, refresh }: { readonly schedule: Schedule; readonly refresh: () => void }) {
  const [isShown, setIsShown] = useState(false)
  const {
    scheduleId,
    workflow,
    spec,
    paused,
    nextAt,
    lastAt,
    lastExecutionId,
    fired,
    skipped,
    missed,
    note,
  } = schedule
  const act = async (name: string, done: string, key?: string): Promise<void> => {
    const path = `/schedules/${encodeURIComponent(scheduleId)}/${name}`
    await attempt(done, () => change(path, key === undefined ? {} : { key }))
    refresh()
  }
  return (
    <>
      <tr>
        <td>
          <span class={`badge ${paused ? 'paused' : nextAt === null ? '' : 'completed'}`}>
            {paused ? 'paused' : nextAt === null ? 'over' : 'active'}
          </span>
        </td>
        <td class="mono">
          <button
            type="button"
            class="link"
            data-row
            aria-expanded={isShown ? 'true' : 'false'}
            onClick={() => setIsShown(!isShown)}
          >
            {scheduleId}
          </button>
        </td>
        <td>
          <a class="muted" href={`/?workflow=${encodeURIComponent(workflow)}`}>
            {workflow}
          </a>
        </td>
        <td title={note ?? undefined}>{specText(spec)}</td>
        <td data-label="next">{paused ? <span class="muted">–</span> : <Ago at={nextAt} />}</td>
        <td data-label="last">
          {lastExecutionId === null ? (
            <Ago at={lastAt} />
          ) : (
            <a href={executionPath(lastExecutionId)}>
              <Ago at={lastAt} />
            </a>
          )}
        </td>
        <td class="number" data-label="fired">
          {number(fired)}
        </td>
        <td class="number" data-label="skipped">
          {number(skipped)}
        </td>
        <td class={missed > 0 ? 'number bad' : 'number'} data-label="missed">
          {number(missed)}
        </td>
        <td>
          <span class="row-actions">
            <button
              type="button"
              class="button small"
              onClick={() => void act('trigger', `${scheduleId} is triggered.`, newKey())}
            >
              Trigger
            </button>
            {paused ? (
              <button
                type="button"
                class="button small"
                onClick={() => void act('resume', `${scheduleId} goes on.`)}
              >
                Resume
              </button>
            ) : (
              <button
                type="button"
                class="button small"
                onClick={() => void act('pause', `${scheduleId} is paused.`)}
              >
                Pause
              </button>
            )}
          </span>
        </td>
      </tr>
      {isShown && (
        <tr class="below">
          <td colSpan={10}>
            <Details schedule={schedule} />
          </td>
        </tr>
      )}
    </>
  )
}

function Details({ schedule }: { readonly schedule: Schedule }) {
  const { scheduleId, overlap, catchUpMs, jitterMs, workflowVersion, note, revision } = schedule
  const { data } = usePoll<Json<ScheduleDetails>>(`/schedules/${encodeURIComponent(scheduleId)}`, 10_000)
  return (
    <div class="span-detail inset">
      <dl class="facts">
        <dt>next times</dt>
        <dd>
          {data === undefined ? '…' : data.upcoming.length === 0 ? 'none' : null}
          <ol>
            {data?.upcoming.map((at) => (
              <li key={at}>
                {stamp(Date.parse(at))} <span class="muted">{age(Date.parse(at), beat.value)}</span>
              </li>
            ))}
          </ol>
        </dd>
        <dt>overlap</dt>
        <dd>{overlap}</dd>
        <dt>catch-up</dt>
        <dd>
          {span(catchUpMs)}
          {jitterMs > 0 && `, jitter ${span(jitterMs)}`}
        </dd>
        <dt>workflow</dt>
        <dd>
          version {workflowVersion}, {count(revision, 'revision')}
        </dd>
        {note !== null && (
          <>
            <dt>note</dt>
            <dd>{note}</dd>
          </>
        )}
      </dl>
      {data?.input !== undefined && data.input !== null && <JsonView value={data.input} what="input" />}
    </div>
  )
}

function specText(spec: Schedule['spec']): string {
  if ('every' in spec) return `every ${span(spec.every)}${spec.offset > 0 ? ` + ${span(spec.offset)}` : ''}`
  return `${spec.cron.join(' | ')} (${spec.timeZone})`
}
