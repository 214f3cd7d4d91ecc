// One execution: how it stands and what it waits for, what can be done, and its history as timeline, graph and events.

import { usePoll } from '../api/poll.js'
import type { Execution, ExecutionPage as Page } from '../api/types.js'
import { Actions } from '../execution/actions.js'
import { EventList } from '../execution/events.js'
import { GraphView } from '../execution/graph.js'
import { TimelineView } from '../execution/timeline.js'
import { count } from '../format.js'
import { useHistory, type History } from '../history/use-history.js'
import { Copy } from '../parts/copy.js'
import { JsonView } from '../parts/json.js'
import { StatusBadge } from '../parts/status.js'
import { isOpen } from '../parts/statuses.js'
import { Bones, Failed } from '../parts/state.js'
import { Ago, Exact, Lasted } from '../parts/time.js'
import { executionPath, place, withQuery } from '../router.js'

export function ExecutionPage({ executionId }: { readonly executionId: string }) {
  const path = `/executions/${encodeURIComponent(executionId)}`
  const { data, error, refresh } = usePoll<Execution>(path)
  if (data === undefined) {
    return (
      <>
        <div class="page-head">
          <h1 class="mono ids">{executionId}</h1>
        </div>
        <section class="panel">
          {error === undefined ? <Bones /> : <Failed error={error} retry={refresh} />}
        </section>
      </>
    )
  }
  return <Shown execution={data} refresh={refresh} />
}

const TABS = [
  { name: '', title: 'Timeline' },
  { name: 'graph', title: 'Graph' },
  { name: 'events', title: 'Events' },
] as const

function Shown({ execution, refresh }: { readonly execution: Execution; readonly refresh: () => void }) {
  const { executionId, status, workflow, note, failure } = execution
  const isLive = isOpen(status)
  // A new run of a closed execution is a new history to follow.
  const history = useHistory(executionId, isLive)
  const tab = place.value.query.get('tab') ?? ''
  return (
    <>
      <div class="page-head">
        <h1 class="mono ids">{executionId}</h1>
        <Copy text={executionId} what="the id" />
        <StatusBadge status={status} />
        <a href={`/?workflow=${encodeURIComponent(workflow)}`}>{workflow}</a>
        {isLive && <span class="live push">live</span>}
      </div>
      <Actions execution={execution} refresh={refresh} />
      {note !== null && status !== 'running' && isLive && (
        <p class={status === 'blocked' || status === 'dead' ? 'note-bad' : 'note-warn'}>
          {status === 'waiting' ? 'Waits for ' : ''}
          {note}
        </p>
      )}
      {failure !== undefined && (
        <p class="note-bad" role="note">
          <strong>{failure.type}</strong> {failure.message}
          {failure.step !== undefined && (
            <span class="muted">
              {' '}
              in step “{failure.step}”{failure.attempt !== undefined && `, attempt ${failure.attempt}`}
            </span>
          )}
        </p>
      )}
      <Facts execution={execution} events={history.events.length} />
      <section class="panel" aria-label="History">
        <nav class="tabs inner" aria-label="Views of the history">
          {TABS.map(({ name, title }) => (
            <a
              key={name}
              class="tab"
              href={withQuery({ tab: name })}
              aria-current={tab === name ? 'true' : undefined}
            >
              {title}
            </a>
          ))}
        </nav>
        <HistoryView tab={tab} history={history} execution={execution} />
      </section>
      <div class="grid two">
        <Value title="Input" value={execution.input} />
        {status === 'completed' && <Value title="Result" value={execution.result} />}
        {failure !== undefined && <Value title="Failure" value={failure} />}
      </div>
      <Children executionId={executionId} isLive={isLive} />
    </>
  )
}

interface HistoryViewProps {
  readonly tab: string
  readonly history: History
  readonly execution: Execution
}

function HistoryView({ tab, history, execution: { executionId, status } }: HistoryViewProps) {
  const { events, error, isComplete, more } = history
  if (events.length === 0) return error === undefined ? <Bones lines={4} /> : <Failed error={error} />
  return (
    <>
      {error !== undefined && (
        <p class="note-bad" role="alert">
          {error.message}
        </p>
      )}
      {tab === 'graph' && <GraphView events={events} status={status} isOpen={isOpen(status)} />}
      {tab === 'events' && <EventList events={events} />}
      {tab !== 'graph' && tab !== 'events' && (
        <TimelineView executionId={executionId} events={events} isOpen={isOpen(status)} />
      )}
      {!isComplete && (
        <div class="pager">
          <span class="muted">The first {count(events.length, 'event')} of its history.</span>
          <button type="button" class="button small" onClick={more}>
            Read more
          </button>
        </div>
      )}
    </>
  )
}

function Facts({ execution, events }: { readonly execution: Execution; readonly events: number }) {
  const { startedAt, closedAt, workflowVersion, run, node, parentId, attributes } = execution
  const pairs = Object.entries(attributes).filter(([, value]) => value !== null)
  return (
    <dl class="facts panel">
      <dt>Started</dt>
      <dd>
        <Exact at={startedAt} />{' '}
        <span class="muted">
          (<Ago at={startedAt} />)
        </span>
      </dd>
      <dt>{closedAt === null ? 'Open for' : 'Lasted'}</dt>
      <dd>
        <Lasted from={startedAt} to={closedAt} />
      </dd>
      <dt>Version</dt>
      <dd>
        {workflowVersion}
        {run > 1 && <span class="muted">, run {run}</span>}
        <span class="muted">, {count(events, 'event')}</span>
      </dd>
      {node !== null && (
        <>
          <dt>Node</dt>
          <dd>
            <a class="mono" href="/cluster">
              {node}
            </a>
          </dd>
        </>
      )}
      {parentId !== null && (
        <>
          <dt>Parent</dt>
          <dd>
            <a class="mono" href={executionPath(parentId)}>
              {parentId}
            </a>
          </dd>
        </>
      )}
      {pairs.length > 0 && (
        <>
          <dt>Attributes</dt>
          <dd>
            {pairs.map(([name, value]) => (
              <a
                key={name}
                class="pair"
                title="Executions with the same"
                href={`/?attributes=${encodeURIComponent(`${name}=${JSON.stringify(value)}`)}`}
              >
                {name}={String(value)}
              </a>
            ))}
          </dd>
        </>
      )}
    </dl>
  )
}

function Value({ title, value }: { readonly title: string; readonly value: unknown }) {
  return (
    <section class="panel" aria-label={title}>
      <header>
        <h2>{title}</h2>
      </header>
      {value === undefined || value === null ? (
        <p class="muted padded">Nothing.</p>
      ) : (
        <JsonView value={value} what={title.toLowerCase()} />
      )}
    </section>
  )
}

const CHILDREN_SHOWN = 20

function Children({ executionId, isLive }: { readonly executionId: string; readonly isLive: boolean }) {
  const path = `/executions?parentId=${encodeURIComponent(executionId)}&limit=${CHILDREN_SHOWN}`
  const { data } = usePoll<Page>(path, isLive ? 5_000 : 0)
  if (data === undefined || data.executions.length === 0) return null
  return (
    <section class="panel" aria-label="Children">
      <header>
        <h2>Children</h2>
        {data.cursor !== undefined && (
          <a class="push" href={`/?parentId=${encodeURIComponent(executionId)}`}>
            all of them
          </a>
        )}
      </header>
      <div class="scroll">
        <table class="folds">
          <thead>
            <tr>
              <th>Status</th>
              <th>Execution</th>
              <th>Workflow</th>
              <th>Started</th>
              <th class="number">Lasted</th>
            </tr>
          </thead>
          <tbody>
            {data.executions.map((child) => (
              <tr key={child.executionId}>
                <td>
                  <StatusBadge status={child.status} />
                </td>
                <td class="id">
                  <a href={executionPath(child.executionId)} data-row>
                    {child.executionId}
                  </a>
                </td>
                <td>{child.workflow}</td>
                <td>
                  <Ago at={child.startedAt} />
                </td>
                <td class="number">
                  <Lasted from={child.startedAt} to={child.closedAt} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}
