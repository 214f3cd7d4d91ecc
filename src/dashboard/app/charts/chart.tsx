// A chart of lines over time, drawn by uPlot on a canvas in the colors of the theme. What it shows is also said in words,
// for those who do not see it.

import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import { number, span } from '../format.js'
import { theme } from '../theme.js'
import type { Line } from './series.js'

export interface ChartProps {
  readonly title: string
  readonly unit: 'per minute' | 'ms'
  /** Seconds since 1970. */
  readonly times: readonly number[]
  readonly lines: readonly Line[]
}

const HEIGHT = 210

export function Chart({ title, unit, times, lines }: ChartProps) {
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | undefined>(undefined)
  const names = lines.map(({ name }) => name).join('\n')
  const data: uPlot.AlignedData = [[...times], ...lines.map(({ values }) => [...values])]
  const isDrawn = lines.length > 0

  useEffect(() => {
    const element = place.current
    if (element === null || !isDrawn) return
    const made = new uPlot(optionsOf(element, { unit, lines }), data, element)
    plot.current = made
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }))
    observer.observe(element)
    return () => {
      observer.disconnect()
      made.destroy()
      plot.current = undefined
    }
  }, [names, unit, theme.value, isDrawn])

  useEffect(() => plot.current?.setData(data), [times, lines])

  return (
    <section class="panel" aria-label={title}>
      <header>
        <h2>{title}</h2>
        <span class="muted">{unit === 'ms' ? 'time' : unit}</span>
        <span class="push legend">
          {lines.map(({ name, ink }) => (
            <span key={name} class={`ink ink-${ink}`}>
              {name}
            </span>
          ))}
        </span>
      </header>
      {isDrawn ? (
        <div ref={place} class="plot" role="img" aria-label={`${title}: ${wordsOf(lines, unit)}`} />
      ) : (
        <p class="muted padded">Nothing in this time.</p>
      )}
    </section>
  )
}

function wordsOf(lines: readonly Line[], unit: ChartProps['unit']): string {
  return lines
    .map(({ name, values }) => {
      const known = values.filter((value) => value !== null)
      return `${name} at most ${written(unit, Math.max(0, ...known))}, last ${written(unit, known.at(-1) ?? 0)}`
    })
    .join('; ')
}

function written(unit: ChartProps['unit'], value: number): string {
  return unit === 'ms' ? span(value) : `${number(value)} per minute`
}

function optionsOf(element: HTMLElement, { unit, lines }: Pick<ChartProps, 'unit' | 'lines'>): uPlot.Options {
  const color = (name: string): string => colorOf(element, name)
  const axis = {
    stroke: color('ink-axis'),
    font: '11px system-ui, sans-serif',
    grid: { stroke: color('ink-grid'), width: 1 },
    ticks: { show: false },
  }
  return {
    width: element.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    padding: [12, 12, 0, 0],
    scales: { y: { range: (_plot, _min, max) => [0, max > 0 ? max * 1.08 : 1] } },
    axes: [
      { ...axis, size: 30, values: (_plot, values) => values.map(clock) },
      {
        ...axis,
        size: 62,
        values: (_plot, values) => values.map((value) => (unit === 'ms' ? span(value) : number(value))),
      },
    ],
    series: [
      {},
      ...lines.map(({ name, ink }) => ({
        label: name,
        stroke: color(`ink-${ink}`),
        width: 1.6,
        spanGaps: unit === 'ms',
        points: { show: unit === 'ms' && lines.length > 0, size: 4 },
      })),
    ],
  }
}

function clock(seconds: number): string {
  const date = new Date(seconds * 1_000)
  return `${String(date.getHours()).padStart(2, '0')}:${String(date.getMinutes()).padStart(2, '0')}`
}

/** A canvas knows no custom properties: the color that a class gives, as the browser computes it. */
function colorOf(element: HTMLElement, name: string): string {
  const probe = document.createElement('span')
  probe.className = name
  element.append(probe)
  const { color } = getComputedStyle(probe)
  probe.remove()
  return color
}
