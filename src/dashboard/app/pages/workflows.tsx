// Definitions: every workflow that was ever registered, with its versions, what it takes, and which nodes can run it.

import { useState } from 'preact/hooks'
import { usePoll } from '../api/poll.js'
import type { Cluster } from '../api/types.js'
import { count } from '../format.js'
import { JsonView } from '../parts/json.js'
import { Bones, Empty, Failed } from '../parts/state.js'
import { StartDialog } from '../parts/start-dialog.js'

interface Listed {
  readonly workflows: readonly { readonly workflow: string; readonly version: string }[]
}

interface Details {
  readonly workflow: string
  readonly versions: readonly string[]
  readonly inputSchema?: Readonly<Record<string, unknown>>
}

export function WorkflowsPage() {
  const { data, error, refresh } = usePoll<Listed>('/workflows', 15_000)
  const { data: cluster } = usePoll<Cluster>('/cluster', 15_000)
  const [starting, setStarting] = useState<string | undefined>()
  const names = [...new Set(data?.workflows.map(({ workflow }) => workflow))].toSorted()
  return (
    <>
      <div class="page-head">
        <h1>Workflows</h1>
      </div>
      <section class="panel" aria-label="List of workflows">
        {data === undefined && error === undefined && <Bones />}
        {data === undefined && error !== undefined && <Failed error={error} retry={refresh} />}
        {data !== undefined && names.length === 0 && (
          <Empty title="No workflow was ever registered">
            <p>
              A node registers its workflows when it starts:{' '}
              <code>cerebelum serve --workflows ./my-workflows.js</code>.
            </p>
          </Empty>
        )}
        {names.length > 0 && (
          <div class="scroll">
            <table class="folds">
              <thead>
                <tr>
                  <th>Workflow</th>
                  <th>Versions, newest last</th>
                  <th>Runs on</th>
                  <th>
                    <span class="unseen">Actions</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {names.map((name) => (
                  <Row
                    key={name}
                    name={name}
                    versions={(data?.workflows ?? [])
                      .filter(({ workflow }) => workflow === name)
                      .map(({ version }) => version)}
                    cluster={cluster}
                    start={() => setStarting(name)}
                  />
                ))}
              </tbody>
            </table>
          </div>
        )}
      </section>
      {starting !== undefined && <StartDialog workflow={starting} onClose={() => setStarting(undefined)} />}
    </>
  )
}

interface RowProps {
  readonly name: string
  readonly versions: readonly string[]
  readonly cluster: Cluster | undefined
  readonly start: () => void
}

function Row({ name, versions, cluster, start }: RowProps) {
  const [isShown, setIsShown] = useState(false)
  const able = cluster?.nodes.filter(({ isAlive, workflows }) => isAlive && name in workflows) ?? []
  return (
    <>
      <tr>
        <td>
          <button
            type="button"
            class="link"
            data-row
            aria-expanded={isShown ? 'true' : 'false'}
            onClick={() => setIsShown(!isShown)}
          >
            {name}
          </button>
        </td>
        <td>
          {versions.map((version) => (
            <span key={version} class="pair">
              {version}
            </span>
          ))}
        </td>
        <td>
          {cluster === undefined ? (
            '…'
          ) : able.length === 0 ? (
            <span class="bad">no node</span>
          ) : (
            count(able.length, 'node')
          )}
        </td>
        <td>
          <span class="row-actions">
            <a class="button small" href={`/?workflow=${encodeURIComponent(name)}`}>
              Executions
            </a>
            <button type="button" class="button small" onClick={start}>
              Start…
            </button>
          </span>
        </td>
      </tr>
      {isShown && (
        <tr class="below">
          <td colSpan={4}>
            <Schema name={name} />
          </td>
        </tr>
      )}
    </>
  )
}

function Schema({ name }: { readonly name: string }) {
  const { data, error } = usePoll<Details>(`/workflows/${encodeURIComponent(name)}`, 0)
  if (error !== undefined) return <Failed error={error} />
  if (data === undefined) return <Bones lines={3} />
  return (
    <div class="span-detail inset">
      <h3>What it takes</h3>
      {data.inputSchema === undefined ? (
        <p class="muted">
          This node cannot tell: it does not have the workflow, or its schema cannot be written down.
        </p>
      ) : (
        <JsonView value={data.inputSchema} what="input schema" />
      )}
    </div>
  )
}
