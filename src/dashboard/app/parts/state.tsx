// What stands where there is nothing to show: still loading, empty, or failed, each with what can be done about it.

import type { ComponentChildren } from 'preact'
import type { ApiError } from '../api/request.js'

export function Bones({ lines = 6 }: { readonly lines?: number }) {
  return (
    <div class="bones" role="status" aria-label="loading">
      {Array.from({ length: lines }, (_, line) => (
        <span key={line} />
      ))}
    </div>
  )
}

export function Empty({
  title,
  children,
}: {
  readonly title: string
  readonly children?: ComponentChildren
}) {
  return (
    <div class="state">
      <strong>{title}</strong>
      {children}
    </div>
  )
}

export function Failed({ error, retry }: { readonly error: ApiError; readonly retry?: () => void }) {
  return (
    <div class="state failed" role="alert">
      <strong>{error.code === 'UNREACHABLE' ? 'The node does not answer' : 'This could not be read'}</strong>
      <p>{error.message}</p>
      <p>
        <code>{error.code}</code>
      </p>
      {retry !== undefined && (
        <button type="button" class="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  )
}
