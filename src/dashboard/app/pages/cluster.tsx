// The cluster: regions, nodes with their load, who owns which partition, and what changes while one looks.

import { useEffect, useRef, useState } from 'preact/hooks'
import { usePoll } from '../api/poll.js'
import type { Cluster, Node } from '../api/types.js'
import { compareClusters, type Change } from '../cluster/changes.js'
import { count, number, span } from '../format.js'
import { Bones, Empty, Failed } from '../parts/state.js'
import { Ago } from '../parts/time.js'

const CHANGES_MAX = 100

export function ClusterPage() {
  const { data, error, refresh } = usePoll<Cluster>('/cluster')
  const changes = useChanges(data)
  if (data === undefined) {
    return (
      <>
        <Head />
        <section class="panel">
          {error === undefined ? <Bones /> : <Failed error={error} retry={refresh} />}
        </section>
      </>
    )
  }
  return (
    <>
      <Head isCurrent={error === undefined} />
      <Regions cluster={data} />
      <Nodes nodes={data.nodes} />
      <Partitions cluster={data} />
      <section class="panel" aria-label="Changes">
        <header>
          <h2>Changes while you look</h2>
        </header>
        {changes.length === 0 ? (
          <p class="muted padded">
            None so far. Nodes that come and go, and partitions that move, appear here.
          </p>
        ) : (
          <ol class="changes" aria-live="polite">
            {changes.map(({ at, tone, text }, index) => (
              <li key={`${at}/${changes.length - index}`}>
                <span class="muted nowrap">
                  <Ago at={at} />
                </span>
                <span class={tone}>{text}</span>
              </li>
            ))}
          </ol>
        )}
      </section>
    </>
  )
}

function Head({ isCurrent = false }: { readonly isCurrent?: boolean }) {
  return (
    <div class="page-head">
      <h1>Cluster</h1>
      <span class={isCurrent ? 'live push' : 'live off push'}>{isCurrent ? 'live' : 'not current'}</span>
    </div>
  )
}

/** Newest first. */
function useChanges(cluster: Cluster | undefined): readonly Change[] {
  const last = useRef<Cluster | undefined>(undefined)
  const [changes, setChanges] = useState<readonly Change[]>([])
  useEffect(() => {
    if (cluster === undefined || cluster === last.current) return
    const found = last.current === undefined ? [] : compareClusters(last.current, cluster)
    last.current = cluster
    if (found.length > 0) setChanges((known) => [...found, ...known].slice(0, CHANGES_MAX))
  }, [cluster])
  return changes
}

function Regions({ cluster: { regions } }: { readonly cluster: Cluster }) {
  return (
    <ul class="cards" aria-label="Regions">
      {regions.map(({ region, nodes, partitions, running, capacity, imbalance }) => (
        <li key={region} class="panel card">
          <h2>{region}</h2>
          <p class="big">
            {number(running)} <span class="muted">of {number(capacity)} running</span>
          </p>
          <p class="muted">
            {count(nodes, 'node')}, {count(partitions, 'partition')}, largest share {imbalance.partitions}×
            the mean
          </p>
        </li>
      ))}
    </ul>
  )
}

function Nodes({ nodes }: { readonly nodes: readonly Node[] }) {
  if (nodes.length === 0) {
    return (
      <section class="panel">
        <Empty title="No node has a lease">
          <p>
            Executions wait until one runs: <code>cerebelum serve</code>.
          </p>
        </Empty>
      </section>
    )
  }
  return (
    <section class="panel" aria-label="Nodes">
      <header>
        <h2>Nodes</h2>
      </header>
      <div class="scroll" tabIndex={0} role="group" aria-label="Table of nodes">
        <table class="folds">
          <thead>
            <tr>
              <th>State</th>
              <th>Node</th>
              <th>Where</th>
              <th>Running</th>
              <th class="number">In memory</th>
              <th class="number">Partitions</th>
              <th class="number">CPU</th>
              <th class="number">Lag</th>
              <th class="number">Commits waiting</th>
              <th>Release</th>
              <th>Since</th>
              <th>Renewed</th>
            </tr>
          </thead>
          <tbody>
            {nodes.map((node) => (
              <NodeRow key={node.nodeId} node={node} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}

function NodeRow({ node }: { readonly node: Node }) {
  const { nodeId, region, zone, address, load, capacity, partitions, release, startedAt, renewedAt } = node
  const state = !node.isAlive ? 'expired' : node.isDraining ? 'draining' : 'alive'
  const tone = { expired: 'failed', draining: 'paused', alive: 'completed' }[state]
  return (
    <tr>
      <td>
        <span class={`badge ${tone}`}>{state}</span>
      </td>
      <td class="mono" title={`runs ${Object.keys(node.workflows).join(', ') || 'no workflows'}`}>
        {nodeId}
      </td>
      <td data-label="at">
        {region}
        {zone !== null && `/${zone}`} <span class="muted">{address}</span>
      </td>
      <td data-label="running">
        <meter min={0} max={capacity} value={load.running} aria-label={`running on ${nodeId}`} />{' '}
        {number(load.running)} <span class="muted">/ {number(capacity)}</span>
      </td>
      <td class="number" data-label="in memory">
        {number(load.cached)}
      </td>
      <td class="number" data-label="partitions">
        {partitions}
      </td>
      <td class="number" data-label="CPU">
        {Math.round(load.cpu * 100)} %
      </td>
      <td class="number" data-label="lag">
        {span(load.lagMs)}
      </td>
      <td class="number" data-label="commits waiting">
        {number(load.laneDepth)}
      </td>
      <td data-label="release">{release}</td>
      <td data-label="since">
        <Ago at={startedAt} />
      </td>
      <td data-label="renewed">
        <Ago at={renewedAt} />
      </td>
    </tr>
  )
}

/** Enough to tell owners apart; beyond, they repeat. */
const TONES = 8

function Partitions({ cluster: { nodes, partitions } }: { readonly cluster: Cluster }) {
  const owners = [...new Set(partitions.map(({ owner }) => owner))].toSorted((a, b) =>
    (a ?? '').localeCompare(b ?? ''),
  )
  const toneOf = (owner: string | null): string =>
    owner === null ? 'nobody' : `tone-${owners.filter((one) => one !== null).indexOf(owner) % TONES}`
  return (
    <section class="panel" aria-label="Partitions">
      <header>
        <h2>Partitions by owner</h2>
        <span class="muted">{count(partitions.length, 'partition')}</span>
      </header>
      <ul class="owners">
        {owners.map((owner) => {
          const own = partitions.filter((partition) => partition.owner === owner)
          const address = nodes.find(({ nodeId }) => nodeId === owner)?.address
          return (
            <li key={owner}>
              <p>
                <span class="mono">{owner ?? 'nobody'}</span> <span class="muted">{address}</span>{' '}
                <span class="muted nowrap">{count(own.length, 'partition')}</span>
              </p>
              <div class="squares" role="img" aria-label={own.map(({ partition }) => partition).join(', ')}>
                {own.map(({ partition, region, epoch }) => (
                  <span
                    key={partition}
                    class={`square ${toneOf(owner)}`}
                    title={`partition ${partition}, ${region}, epoch ${epoch}`}
                  >
                    {partition}
                  </span>
                ))}
              </div>
            </li>
          )
        })}
      </ul>
    </section>
  )
}
