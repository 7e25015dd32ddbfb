import { SEAL_WORDS, type SealKind } from './words.ts'

/** Ring and sign of each seal, in a box of 64. Outline and sign differ, so colour is never needed. */
function Stamp({ kind }: { kind: SealKind }) {
  switch (kind) {
    case 'APPROVED':
      return (
        <>
          <circle r="29" className="seal-line" />
          <circle r="24.5" className="seal-line seal-thin" />
          <path d="M-11 .5-3.5 8.5 11.5-8" className="seal-sign" />
        </>
      )
    case 'REJECTED':
      return (
        <>
          <path d="M-6-28.4A29 29 0 1 0 6-28.4" className="seal-line seal-thick" />
          <path d="M-9.5-9.5 9.5 9.5M9.5-9.5-9.5 9.5" className="seal-sign" />
        </>
      )
    case 'ABSTAINED':
      return (
        <>
          <circle r="28.5" className="seal-line seal-dashed" />
          <circle r="10" className="seal-sign" />
        </>
      )
    case 'DELIBERATING':
      return (
        <>
          <path d="M0-28.5A28.5 28.5 0 1 1-28.5 0" className="seal-line" />
          <circle cx="-10" r="2.6" className="seal-dot" />
          <circle r="2.6" className="seal-dot" />
          <circle cx="10" r="2.6" className="seal-dot" />
        </>
      )
    case 'UNDECIDED':
      return (
        <>
          <path
            d="M0-28.5A28.5 28.5 0 0 1 0 28.5M0 28.5A28.5 28.5 0 0 1 0-28.5"
            className="seal-line seal-gapped"
          />
          <path d="M0-12V3" className="seal-sign" />
          <circle cy="11" r="2.8" className="seal-dot" />
        </>
      )
    case 'MISSING':
      return (
        <>
          <path d="M-28-28H28V28H-28Z" className="seal-line seal-dashed" />
          <path d="M-11 0H11" className="seal-sign" />
        </>
      )
    case 'STOPPED':
      return (
        <>
          <path d="M-28-28H28V28H-28Z" className="seal-line" />
          <path d="M-9-9H9V9H-9Z" className="seal-dot" />
        </>
      )
    case 'FAILED':
      return (
        <>
          <path d="M0-30 29 22H-29Z" className="seal-line" />
          <path d="M0-10V5" className="seal-sign" />
          <circle cy="13" r="2.6" className="seal-dot" />
        </>
      )
  }
}

/** A seal: outline, sign and the word in both languages. `small` is for lists and lanes. */
export function Seal({ kind, small = false }: { kind: SealKind; small?: boolean }) {
  const words = SEAL_WORDS[kind]
  return (
    <span className="seal" data-kind={kind} data-small={small || undefined}>
      <svg viewBox="-32 -32 64 64" aria-hidden="true">
        <Stamp kind={kind} />
      </svg>
      <span className="seal-words">
        <span lang="ja">{words.ja}</span> <span lang="en">{words.en}</span>
      </span>
    </span>
  )
}
