// A modal dialog of the browser's own kind: focus stays within, Escape closes, and what was focused before is again.

import type { ComponentChildren } from 'preact'
import { useEffect, useId, useRef } from 'preact/hooks'

export interface DialogProps {
  readonly title: string
  readonly isWide?: boolean
  readonly onClose: () => void
  /** Makes it a form. */
  readonly onSubmit?: () => void
  readonly children: ComponentChildren
}

export function Dialog({ title, isWide = false, onClose, onSubmit, children }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null)
  const titleId = useId()
  useEffect(() => element.current?.showModal(), [])
  const content = (
    <>
      <h2 id={titleId}>{title}</h2>
      {children}
    </>
  )
  return (
    <dialog
      ref={element}
      class={isWide ? 'wide' : ''}
      aria-labelledby={titleId}
      onClose={onClose}
      onClick={(event) => event.target === element.current && element.current?.close()}
    >
      {onSubmit === undefined ? (
        <div class="body">{content}</div>
      ) : (
        <form
          onSubmit={(event) => {
            event.preventDefault()
            onSubmit()
          }}
        >
          {content}
        </form>
      )}
    </dialog>
  )
}
