// The way that was taken, as a graph from top to bottom: what came one after the other below each other, what ran at the
// same time beside each other. Drawn as SVG from the history; it scrolls where it does not fit.

import type { Recorded, Status } from '../api/types.js'
import { count, span as spanText } from '../format.js'
import { readTimeline, type Span } from '../history/spans.js'
import { toStages, type Stage } from '../history/stages.js'

const WIDTH = 190
const HEIGHT = 40
const GAP_X = 18
const GAP_Y = 22
const ROUND = 26
const NODES_MAX = 400

interface Placed {
  readonly span: Span
  readonly x: number
  readonly y: number
}

interface Edge {
  readonly x1: number
  readonly y1: number
  readonly x2: number
  readonly y2: number
}

export interface GraphProps {
  readonly events: readonly Recorded[]
  readonly status: Status
  readonly isOpen: boolean
}

export function GraphView({ events, status, isOpen }: GraphProps) {
  const { spans } = readTimeline(events)
  const { nodes, edges, width, height, middle, endY } = layOut(toStages(spans.slice(0, NODES_MAX)))
  return (
    <div class="scroll graph" tabIndex={0} role="group" aria-label="Graph of the path taken">
      {spans.length > NODES_MAX && (
        <p class="note-bad">
          The first {NODES_MAX} of {count(spans.length, 'node')}; the timeline has all of them.
        </p>
      )}
      <svg
        width={width}
        height={height}
        viewBox={`0 0 ${width} ${height}`}
        role="img"
        aria-label={`Path taken: ${spans.map(({ kind, name }) => `${kind} ${name}`).join(', ') || 'nothing yet'}`}
      >
        {edges.map(({ x1, y1, x2, y2 }) => (
          <path class="edge" d={`M${x1} ${y1}C${x1} ${(y1 + y2) / 2} ${x2} ${(y1 + y2) / 2} ${x2} ${y2}`} />
        ))}
        <Round x={middle} y={ROUND / 2 + 1} text="start" tone="" />
        {nodes.map((node) => (
          <NodeBox key={node.span.id} {...node} />
        ))}
        <Round x={middle} y={endY} text={isOpen ? `${status}…` : status} tone={status} />
      </svg>
    </div>
  )
}

function NodeBox({ span, x, y }: Placed) {
  const detail = [
    span.kind,
    span.attemptCount > 1 ? `×${span.attemptCount}` : '',
    span.endMs === undefined ? 'open' : spanText(span.endMs - span.startMs),
  ]
  return (
    <g class={`node ${span.kind} ${span.outcome}`}>
      <title>{`${span.kind} ${span.name}`}</title>
      <rect x={x} y={y} width={WIDTH} height={HEIGHT} rx={6} />
      <text x={x + 12} y={y + 17} class="node-name">
        {cut(span.name)}
      </text>
      <text x={x + 12} y={y + 32} class="node-detail">
        {detail.filter((one) => one !== '').join(' · ')}
      </text>
    </g>
  )
}

function Round({
  x,
  y,
  text,
  tone,
}: {
  readonly x: number
  readonly y: number
  readonly text: string
  readonly tone: string
}) {
  const width = 92
  return (
    <g class={`terminal ${tone}`}>
      <rect x={x - width / 2} y={y - ROUND / 2} width={width} height={ROUND} rx={ROUND / 2} />
      <text x={x} y={y + 4} text-anchor="middle">
        {text}
      </text>
    </g>
  )
}

const NAME_CHARACTERS = 25

function cut(name: string): string {
  return name.length > NAME_CHARACTERS ? `${name.slice(0, NAME_CHARACTERS - 1)}…` : name
}

function layOut(stages: readonly Stage[]) {
  const lanesMax = Math.max(1, ...stages.map(({ lanes }) => lanes.length))
  const width = lanesMax * WIDTH + (lanesMax - 1) * GAP_X + 4
  const middle = width / 2
  const nodes: Placed[] = []
  const edges: Edge[] = []
  let y = ROUND + 2
  for (const { lanes } of stages) {
    const top = y + GAP_Y
    const longest = Math.max(...lanes.map((lane) => lane.length))
    const bottom = top + longest * HEIGHT + (longest - 1) * GAP_Y
    const left = middle - (lanes.length * WIDTH + (lanes.length - 1) * GAP_X) / 2
    lanes.forEach((lane, column) => {
      const x = left + column * (WIDTH + GAP_X)
      const center = x + WIDTH / 2
      let from: Edge = { x1: middle, y1: y, x2: center, y2: top }
      lane.forEach((span, index) => {
        const nodeY = top + index * (HEIGHT + GAP_Y)
        nodes.push({ span, x, y: nodeY })
        edges.push({ ...from, x2: center, y2: nodeY })
        from = { x1: center, y1: nodeY + HEIGHT, x2: center, y2: nodeY + HEIGHT }
      })
      edges.push({ x1: center, y1: from.y1, x2: middle, y2: bottom + GAP_Y })
    })
    y = bottom + GAP_Y
  }
  const endY = y + GAP_Y / 2 + ROUND / 2
  edges.push({ x1: middle, y1: y, x2: middle, y2: endY - ROUND / 2 })
  return { nodes, edges, width, height: endY + ROUND / 2 + 2, middle, endY }
}
