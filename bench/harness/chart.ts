// Draws what a benchmark has found as an SVG: bars, or lines from label to label. Small, without scripts, and readable
// on light and dark ground alike.

export interface ChartData {
  readonly title: string
  /** What is drawn upwards. */
  readonly unit: string
  readonly kind: 'bars' | 'lines'
  /** One mark per label and series; null: nothing was measured there. */
  readonly labels: readonly string[]
  readonly series: readonly { readonly name: string; readonly values: readonly (number | null)[] }[]
}

const WIDTH = 640
const HEIGHT = 320
const LEFT = 72
const RIGHT = 16
const TOP = 56
const BOTTOM = 36
const COLORS = ['#2f7ed8', '#e07b39', '#3a9d5d', '#8a63c9', '#c0475a']
const TICKS = 4

export function drawChart(chart: ChartData): string {
  const { title, unit, labels, series } = chart
  const max = niceMax(Math.max(0, ...series.flatMap(({ values }) => values.map((value) => value ?? 0))))
  const y = (value: number): number => HEIGHT - BOTTOM - (value / max) * (HEIGHT - TOP - BOTTOM)
  const band = (WIDTH - LEFT - RIGHT) / Math.max(1, labels.length)
  const middle = (index: number): number => LEFT + band * (index + 0.5)
  const parts = [
    text({ x: LEFT, y: 20, anchor: 'start', size: 14 }, title),
    ...grid(max, y),
    text({ x: 8, y: TOP - 10, anchor: 'start', size: 11 }, unit),
    ...labels.map((label, index) =>
      text({ x: middle(index), y: HEIGHT - BOTTOM + 18, anchor: 'middle', size: 11 }, label),
    ),
    ...series.flatMap(({ name }, index) => legend(name, index)),
    ...(chart.kind === 'bars' ? bars(chart, { y, band, middle }) : lines(chart, { y, middle })),
  ]
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" role="img" aria-label="${escaped(title)}">`,
    '<style>text{fill:#57606a}@media(prefers-color-scheme:dark){text{fill:#a8b1bb}}</style>',
    ...parts,
    '</svg>',
    '',
  ].join('\n')
}

interface Axes {
  readonly y: (value: number) => number
  readonly middle: (index: number) => number
}

function bars({ series }: ChartData, { y, band, middle }: Axes & { readonly band: number }): string[] {
  const width = Math.min(48, (band * 0.8) / Math.max(1, series.length))
  return series.flatMap(({ values }, of) =>
    values.flatMap((value, index) => {
      if (value === null) return []
      const x = middle(index) + (of - series.length / 2) * width
      return [
        `<rect x="${round(x)}" y="${round(y(value))}" width="${round(width - 2)}" height="${round(y(0) - y(value))}" fill="${colorOf(of)}"/>`,
        text({ x: x + width / 2 - 1, y: y(value) - 4, anchor: 'middle', size: 10 }, short(value)),
      ]
    }),
  )
}

function lines({ series }: ChartData, { y, middle }: Axes): string[] {
  return series.flatMap(({ values }, of) => {
    const points = values.flatMap((value, index) =>
      value === null ? [] : [`${round(middle(index))},${round(y(value))}`],
    )
    return [
      `<polyline points="${points.join(' ')}" fill="none" stroke="${colorOf(of)}" stroke-width="2"/>`,
      ...points.map((point) => {
        const [cx = '0', cy = '0'] = point.split(',')
        return `<circle cx="${cx}" cy="${cy}" r="3" fill="${colorOf(of)}"/>`
      }),
    ]
  })
}

function grid(max: number, y: (value: number) => number): string[] {
  return Array.from({ length: TICKS + 1 }, (_, tick) => (max * tick) / TICKS).flatMap((value) => [
    `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${round(y(value))}" y2="${round(y(value))}" stroke="#8b949e" stroke-opacity="0.3"/>`,
    text({ x: LEFT - 8, y: y(value) + 4, anchor: 'end', size: 11 }, short(value)),
  ])
}

function legend(name: string, index: number): string[] {
  const x = LEFT + index * 170
  return [
    `<rect x="${x}" y="30" width="10" height="10" fill="${colorOf(index)}"/>`,
    text({ x: x + 15, y: 39, anchor: 'start', size: 11 }, name),
  ]
}

function text(
  at: { readonly x: number; readonly y: number; readonly anchor: string; readonly size: number },
  content: string,
): string {
  return `<text x="${round(at.x)}" y="${round(at.y)}" text-anchor="${at.anchor}" font-size="${at.size}">${escaped(content)}</text>`
}

function colorOf(index: number): string {
  return COLORS[index % COLORS.length] ?? '#2f7ed8'
}

function niceMax(value: number): number {
  if (!(value > 0)) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  return (NICE.find((step) => step * power >= value) ?? 10) * power
}

const NICE = [1, 1.2, 1.6, 2, 2.4, 3.2, 4, 5, 6, 8, 10]

function short(value: number): string {
  if (value >= 1_000_000) return `${round(value / 1_000_000)}M`
  if (value >= 10_000) return `${Math.round(value / 1_000)}k`
  if (value >= 100) return String(Math.round(value))
  return String(Number(value.toPrecision(2)))
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function escaped(content: string): string {
  return content
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
