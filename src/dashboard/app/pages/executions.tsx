// The list of executions, newest first and live: filtered by the address, page by page, with actions on many.

import { useMemo, useState } from 'preact/hooks'
import { usePoll } from '../api/poll.js'
import type { ExecutionPage, ExecutionRow } from '../api/types.js'
import { nowMs } from '../clock.js'
import { BULK_ACTIONS, BulkDialog, type BulkAction } from '../list/bulk.js'
import { FilterBar } from '../list/filter-bar.js'
import { listPath, readFilter } from '../list/filter.js'
import { ViewTabs } from '../list/view-tabs.js'
import { count } from '../format.js'
import { StatusBadge } from '../parts/status.js'
import { Bones, Empty, Failed } from '../parts/state.js'
import { Ago, Lasted } from '../parts/time.js'
import { executionPath, place, withQuery } from '../router.js'

const ROWS = 50

export function ExecutionsPage() {
  const { query } = place.value
  const address = query.toString()
  const filter = readFilter(query)
  const path = useMemo(() => listPath(filter, { nowMs: nowMs(), limit: ROWS }), [address])
  const list = usePoll<ExecutionPage>(path)
  const names = useWorkflowNames()
  const page = list.data ?? list.last
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set())
  const [action, setAction] = useState<BulkAction | undefined>()
  const rows = page?.executions ?? []
  const chosen = rows
    .filter(({ executionId }) => picked.has(executionId))
    .map(({ executionId }) => executionId)

  return (
    <>
      <div class="page-head">
        <h1>Executions</h1>
        <span class={list.error === undefined ? 'live push' : 'live off push'}>
          {list.error === undefined ? 'live' : 'not current'}
        </span>
      </div>
      <ViewTabs />
      <FilterBar filter={filter} workflows={names} />
      {list.error !== undefined && page !== undefined && (
        <p class="note-bad" role="alert">
          {list.error.message}
        </p>
      )}
      <section class="panel" aria-label="List of executions">
        {chosen.length > 0 && (
          <div class="bulk">
            <strong>{chosen.length} picked</strong>
            {BULK_ACTIONS.map((one) => (
              <button
                key={one.name}
                type="button"
                class={one.isDangerous === true ? 'button small danger' : 'button small'}
                onClick={() => setAction(one)}
              >
                {one.title}…
              </button>
            ))}
            <button type="button" class="button quiet small push" onClick={() => setPicked(new Set())}>
              Pick none
            </button>
          </div>
        )}
        {page === undefined && list.error !== undefined && <Failed error={list.error} retry={list.refresh} />}
        {page === undefined && list.error === undefined && <Bones lines={9} />}
        {page !== undefined && rows.length === 0 && <NothingHere isFiltered={address !== ''} />}
        {rows.length > 0 && (
          <ExecutionTable rows={rows} picked={picked} setPicked={setPicked} isStale={list.isLoading} />
        )}
        <Pager shown={rows.length} next={page?.cursor} isLater={filter.cursor !== ''} />
      </section>
      {action !== undefined && (
        <BulkDialog
          action={action}
          executionIds={chosen}
          onClose={(done) => {
            setAction(undefined)
            setPicked(new Set([...picked].filter((id) => !done.includes(id))))
            list.refresh()
          }}
        />
      )}
    </>
  )
}

function useWorkflowNames(): string[] {
  const { data } = usePoll<{ workflows: { workflow: string }[] }>('/workflows', 30_000)
  return [...new Set((data?.workflows ?? []).map(({ workflow }) => workflow))].toSorted()
}

function NothingHere({ isFiltered }: { readonly isFiltered: boolean }) {
  if (isFiltered) {
    return (
      <Empty title="Nothing passes this filter">
        <p>
          <a href="/">Show all executions</a>
        </p>
      </Empty>
    )
  }
  return (
    <Empty title="No executions yet">
      <p>
        Start one with <code>client.start(…)</code>, or POST it to <code>/api/v1/executions</code>. It appears
        here within two seconds.
      </p>
    </Empty>
  )
}

interface TableProps {
  readonly rows: readonly ExecutionRow[]
  readonly picked: ReadonlySet<string>
  readonly setPicked: (picked: ReadonlySet<string>) => void
  readonly isStale: boolean
}

function ExecutionTable({ rows, picked, setPicked, isStale }: TableProps) {
  const isAll = rows.every(({ executionId }) => picked.has(executionId))
  const pick = (ids: readonly string[], isOn: boolean): void => {
    const next = new Set(picked)
    for (const id of ids) {
      if (isOn) next.add(id)
      else next.delete(id)
    }
    setPicked(next)
  }
  return (
    <div class="scroll">
      <table class={isStale ? 'folds stale' : 'folds'} aria-busy={isStale ? 'true' : 'false'}>
        <thead>
          <tr>
            <th class="pick">
              <input
                type="checkbox"
                aria-label="Pick all of this page"
                checked={isAll}
                onChange={(event) =>
                  pick(
                    rows.map(({ executionId }) => executionId),
                    event.currentTarget.checked,
                  )
                }
              />
            </th>
            <th>Status</th>
            <th>Execution</th>
            <th>Workflow</th>
            <th>Started</th>
            <th class="number">Lasted</th>
            <th>Note and attributes</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <Row key={row.executionId} row={row} isPicked={picked.has(row.executionId)} pick={pick} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

interface RowProps {
  readonly row: ExecutionRow
  readonly isPicked: boolean
  readonly pick: (ids: readonly string[], isOn: boolean) => void
}

function Row({ row, isPicked, pick }: RowProps) {
  const { executionId, status, workflow, startedAt, closedAt } = row
  return (
    <tr class={isPicked ? 'chosen' : ''}>
      <td class="pick">
        <input
          type="checkbox"
          aria-label={`Pick ${executionId}`}
          checked={isPicked}
          onChange={(event) => pick([executionId], event.currentTarget.checked)}
        />
      </td>
      <td>
        <StatusBadge status={status} />
      </td>
      <td class="id">
        <a href={executionPath(executionId)} title={executionId} data-row>
          {executionId}
        </a>
      </td>
      <td>
        <a class="muted" href={withQuery({ workflow, cursor: undefined })}>
          {workflow}
        </a>
      </td>
      <td>
        <Ago at={startedAt} />
      </td>
      <td class="number">
        <Lasted from={startedAt} to={closedAt} />
      </td>
      <td class="wide">
        <Remarks row={row} />
      </td>
    </tr>
  )
}

function Remarks({ row: { note, attributes, status } }: { readonly row: ExecutionRow }) {
  const isTold = note !== null && status !== 'running' && status !== 'completed'
  const pairs = Object.entries(attributes).filter(([, value]) => value !== null)
  if (!isTold && pairs.length === 0) return null
  return (
    <>
      {isTold && <span title={note}>{note} </span>}
      {pairs.map(([name, value]) => (
        <span key={name} class="pair" title={`${name}=${String(value)}`}>
          {name}={String(value)}
        </span>
      ))}
    </>
  )
}

interface PagerProps {
  readonly shown: number
  readonly next: string | undefined
  readonly isLater: boolean
}

function Pager({ shown, next, isLater }: PagerProps) {
  if (shown === 0 && !isLater) return null
  return (
    <nav class="pager" aria-label="Pages of the list">
      <span class="muted">
        {count(shown, 'execution')}
        {next !== undefined || isLater ? ' on this page' : ''}
      </span>
      <span class="push" />
      {isLater && (
        <a class="button small" href={withQuery({ cursor: undefined })}>
          Newest
        </a>
      )}
      {next !== undefined && (
        <a class="button small" href={withQuery({ cursor: next })}>
          Older →
        </a>
      )}
    </nav>
  )
}
