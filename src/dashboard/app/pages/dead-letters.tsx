// Dead letters: executions that were set aside, each with the reason, one or many tried again from here.

import { useState } from 'preact/hooks'
import { usePoll } from '../api/poll.js'
import type { ExecutionPage } from '../api/types.js'
import { BULK_ACTIONS, BulkDialog } from '../list/bulk.js'
import { count } from '../format.js'
import { Bones, Empty, Failed } from '../parts/state.js'
import { Ago } from '../parts/time.js'
import { executionPath, place, withQuery } from '../router.js'

const ROWS = 50
const RETRY = BULK_ACTIONS.find(({ name }) => name === 'retry')

export function DeadLettersPage() {
  const cursor = place.value.query.get('cursor')
  const path = `/dead-letters?limit=${ROWS}${cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`}`
  const { data, error, refresh } = usePoll<ExecutionPage>(path, 3_000)
  const [chosen, setChosen] = useState<readonly string[]>([])
  const dead = data?.executions ?? []
  return (
    <>
      <div class="page-head">
        <h1>Dead letters</h1>
        {dead.length > 0 && (
          <button
            type="button"
            class="button push"
            onClick={() => setChosen(dead.map(({ executionId }) => executionId))}
          >
            Retry all {dead.length} shown…
          </button>
        )}
      </div>
      <section class="panel" aria-label="List of dead letters">
        {data === undefined && error === undefined && <Bones />}
        {data === undefined && error !== undefined && <Failed error={error} retry={refresh} />}
        {data !== undefined && dead.length === 0 && (
          <Empty title="No dead letters">
            <p>
              An execution that keeps killing its nodes, or cannot be loaded, is set aside here instead of
              harming others. Nothing of it is lost.
            </p>
          </Empty>
        )}
        {dead.length > 0 && (
          <div class="scroll">
            <table class="folds">
              <thead>
                <tr>
                  <th>Execution</th>
                  <th>Workflow</th>
                  <th>Started</th>
                  <th>Why it was set aside</th>
                  <th>
                    <span class="unseen">Actions</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {dead.map(({ executionId, workflow, startedAt, note }) => (
                  <tr key={executionId}>
                    <td class="id">
                      <a href={executionPath(executionId)} data-row>
                        {executionId}
                      </a>
                    </td>
                    <td class="muted">{workflow}</td>
                    <td>
                      <Ago at={startedAt} />
                    </td>
                    <td class="wide" title={note ?? undefined}>
                      {note}
                    </td>
                    <td>
                      <button type="button" class="button small" onClick={() => setChosen([executionId])}>
                        Retry…
                      </button>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
        {(data?.cursor !== undefined || cursor !== null) && (
          <nav class="pager" aria-label="Pages of the list">
            <span class="muted">{count(dead.length, 'dead letter')} on this page</span>
            {cursor !== null && (
              <a class="button small" href={withQuery({ cursor: undefined })}>
                Newest
              </a>
            )}
            {data?.cursor !== undefined && (
              <a class="button small push" href={withQuery({ cursor: data.cursor })}>
                Older →
              </a>
            )}
          </nav>
        )}
      </section>
      {chosen.length > 0 && RETRY !== undefined && (
        <BulkDialog
          action={RETRY}
          executionIds={chosen}
          onClose={() => {
            setChosen([])
            refresh()
          }}
        />
      )}
    </>
  )
}
