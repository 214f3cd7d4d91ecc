// Two texts, line by line: what stayed, went and came (the longest common subsequence). Pure; what is too long to be
// compared in a moment is not.

export interface DiffLine {
  readonly kind: 'same' | 'gone' | 'new'
  readonly text: string
}

const LINES_MAX = 1_500

/** Undefined: too long. */
export function diffLines(before: string, after: string): DiffLine[] | undefined {
  const old = before.split('\n')
  const now = after.split('\n')
  if (old.length > LINES_MAX || now.length > LINES_MAX) return undefined
  const lengths = commonLengths(old, now)
  const lines: DiffLine[] = []
  let i = 0
  let j = 0
  while (i < old.length || j < now.length) {
    const left = old[i]
    const right = now[j]
    if (left !== undefined && left === right) {
      lines.push({ kind: 'same', text: left })
      i += 1
      j += 1
    } else if (
      right === undefined ||
      (left !== undefined && at(lengths, i + 1, j) >= at(lengths, i, j + 1))
    ) {
      lines.push({ kind: 'gone', text: left ?? '' })
      i += 1
    } else {
      lines.push({ kind: 'new', text: right })
      j += 1
    }
  }
  return lines
}

/** `[i][j]`: how many lines are common to what follows line i of one and line j of the other. */
function commonLengths(old: readonly string[], now: readonly string[]): Uint16Array[] {
  const lengths = Array.from({ length: old.length + 1 }, () => new Uint16Array(now.length + 1))
  for (let i = old.length - 1; i >= 0; i--) {
    const row = lengths[i]
    for (let j = now.length - 1; j >= 0 && row !== undefined; j--) {
      row[j] =
        old[i] === now[j]
          ? at(lengths, i + 1, j + 1) + 1
          : Math.max(at(lengths, i + 1, j), at(lengths, i, j + 1))
    }
  }
  return lengths
}

function at(lengths: readonly Uint16Array[], i: number, j: number): number {
  return lengths[i]?.[j] ?? 0
}
