// Spans of time for people: three digits or two units, never more.

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
] as const

export function durationText(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`
  if (ms < 60_000) return `${(ms / 1_000).toPrecision(3)} s`
  for (const [at, [unit, size]] of UNITS.entries()) {
    if (ms < size) continue
    const whole = Math.floor(ms / size)
    const [smaller, smallerSize] = UNITS[at + 1] ?? ['s', 1_000]
    const rest = Math.floor((ms - whole * size) / smallerSize)
    return rest === 0 ? `${whole} ${unit}` : `${whole} ${unit} ${rest} ${smaller}`
  }
  return `${ms} ms`
}
