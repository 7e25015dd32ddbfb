import type { ReactNode } from 'react'

const icon = (drawing: ReactNode) => () => (
  <svg className="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
    {drawing}
  </svg>
)

export const Chevron = icon(<path d="m6 3 5 5-5 5" />)
export const ArrowDown = icon(<path d="M8 2.5v10M3.5 8.5 8 13l4.5-4.5" />)
export const Grow = icon(<path d="M9.5 2.5h4v4M6.5 13.5h-4v-4M13.5 2.5 9.5 6.5M2.5 13.5l4-4" />)
export const Shrink = icon(<path d="M13 7H9V3M3 9h4v4M9 7l4.5-4.5M7 9l-4.5 4.5" />)
export const StopIcon = icon(<path className="solid" d="M4 4h8v8H4Z" />)
export const Play = icon(<path className="solid" d="M5 3v10l8-5Z" />)
export const Plus = icon(<path d="M8 3v10M3 8h10" />)
export const Bin = icon(<path d="M3 4.5h10M6.5 4.5v-2h3v2M4.5 4.5l.6 9h5.8l.6-9M7 7v4M9 7v4" />)
export const Enter = icon(<path d="M13 3.5v4a2 2 0 0 1-2 2H3M6 6.5l-3 3 3 3" />)
export const Moon = icon(<path d="M13 9.5A5.5 5.5 0 0 1 6.5 3 5.5 5.5 0 1 0 13 9.5Z" />)
export const Sun = icon(
  <>
    <circle cx="8" cy="8" r="3" />
    <path d="M8 1v1.6M8 13.4V15M1 8h1.6M13.4 8H15M3 3l1.2 1.2M11.8 11.8 13 13M13 3l-1.2 1.2M4.2 11.8 3 13" />
  </>,
)
export const Halves = icon(
  <>
    <circle cx="8" cy="8" r="5.5" />
    <path className="solid" d="M8 2.5a5.5 5.5 0 0 1 0 11Z" />
  </>,
)
export const Warn = icon(<path d="M8 2 14.5 13.5h-13ZM8 6.5v3.2M8 11.4v.6" />)
export const Search = icon(
  <>
    <circle cx="7" cy="7" r="4.5" />
    <path d="m10.5 10.5 3.5 3.5" />
  </>,
)
export const More = icon(
  <>
    <circle className="solid" cx="3" cy="8" r="1.3" />
    <circle className="solid" cx="8" cy="8" r="1.3" />
    <circle className="solid" cx="13" cy="8" r="1.3" />
  </>,
)
export const Pen = icon(<path d="m3 13 .7-3L10.5 3.2l2.3 2.3L6 12.3ZM9 4.7 11.3 7" />)
export const Link = icon(
  <path d="M6.5 9.5 9.5 6.5M7 4.5l1.7-1.7a2.8 2.8 0 0 1 4 4L11 8.5M9 11.5l-1.7 1.7a2.8 2.8 0 0 1-4-4L5 7.5" />,
)
export const Hold = icon(<path className="solid" d="M4 3h3v10H4ZM9 3h3v10H9Z" />)
export const Close = icon(<path d="m4 4 8 8M12 4l-8 8" />)
export const Again = icon(<path d="M13 8a5 5 0 1 1-1.6-3.7M13 2v3h-3" />)
export const Swap = icon(<path d="M3 5.5h9.5M10 3l2.5 2.5L10 8M13 10.5H3.5M6 8l-2.5 2.5L6 13" />)
export const Pause = icon(<path d="M5.5 3.5v9M10.5 3.5v9" />)
export const Note = icon(<path d="M3 3h10v7.5H7.5L4.5 13v-2.5H3ZM5.5 6h5M5.5 8h3" />)
export const Gear = icon(
  <>
    <circle cx="8" cy="8" r="2.2" />
    <path d="M8 1.8v2M8 12.2v2M1.8 8h2M12.2 8h2M3.6 3.6 5 5M11 11l1.4 1.4M12.4 3.6 11 5M5 11l-1.4 1.4" />
  </>,
)
export const Help = icon(<path d="M5.6 5.8a2.4 2.4 0 1 1 3.6 2.1c-.8.5-1.2 1-1.2 2M8 12.4v.3" />)
export const Clip = icon(
  <path d="M12.5 7.5 8 12a3 3 0 0 1-4.2-4.2l5-5a2 2 0 0 1 2.9 2.9l-4.8 4.8a1 1 0 0 1-1.4-1.4L9.8 5" />,
)
export const Gavel = icon(
  <path d="m9 2.5 4.5 4.5M7 4.5 11.5 9M8.5 3 5.5 6M13 7.5l-3 3M8.2 7.8 3 13M8.5 13.5h5" />,
)
export const Branch = icon(
  <>
    <circle cx="4" cy="3.5" r="1.5" />
    <circle cx="4" cy="12.5" r="1.5" />
    <circle cx="12" cy="5.5" r="1.5" />
    <path d="M4 5v6M12 7c0 2.5-8 1-8 4" />
  </>,
)
export const Follow = icon(<path d="M8 2v7M4.5 6 8 9.5 11.5 6M3 13h10" />)
export const Tick = icon(<path d="m3 8.5 3.2 3.2L13 4.5" />)
