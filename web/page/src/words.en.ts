import { some } from './some.ts'
import { room } from './words.room.en.ts'
import type { Words } from './words.ts'

const time = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' })
const number = new Intl.NumberFormat('en')

export const en: Words = {
  code: 'en',
  tagline: 'One question, three sages, one verdict',
  headline: 'What should be decided?',
  intro:
    'Three sages weigh your question apart from each other and at the same time. Their votes are counted, and a judge weighs their arguments.',
  question: 'Your question',
  questionHint: 'Move billing to the new database in December?',
  wholeQuestion: 'The whole question',
  context: 'Context',
  contextHint: 'Facts, numbers, notes: anything the sages should know.',
  addContext: 'Add context',
  answerIn: 'Answer in',
  auto: 'Auto',
  convene: 'Convene',
  enterHint: 'Enter convenes, Shift+Enter starts a new line',
  tooLong: (bytes, limit) =>
    `The question is too long: ${number.format(bytes)} of ${number.format(limit)} bytes. Move the details to the context.`,
  pageLanguage: 'Language of the page',
  theme: { label: 'Appearance', auto: 'System', dark: 'Dark', light: 'Light' },
  home: 'MAGI, start page',
  skipToVerdict: 'Go to the verdict',
  skipToEnd: 'Go to the end',

  sages: {
    caspar: { name: 'CASPAR', role: 'practical, risk first' },
    balthasar: { name: 'BALTHASAR', role: 'creative, people first' },
    melchior: { name: 'MELCHIOR', role: 'scientific, evidence first' },
  },
  judge: { name: 'SOLOMON', role: 'the judge' },

  token: {
    title: 'This server asks for a token',
    why: 'It is the MAGI_TOKEN the server was started with. It is kept as long as this tab.',
    whyBearer: (host) =>
      `${host} lets in who brings a token of its identity provider (a JWT). It is kept as long as this tab and sent to ${host} only.`,
    label: 'Token',
    wrong: 'The server did not accept this token.',
    enter: 'Enter',
  },
  config: {
    title: 'This page is not set up',
    fault: ({ field, kind, allowed = [] }) => {
      const list = allowed.join(', ')
      if (kind === 'page')
        return 'config.json: the hosting answered with a web page instead of the file, as hostings do that send every unknown address to index.html.'
      if (kind === 'json') return 'config.json is not JSON.'
      if (kind === 'object') return 'config.json must be one JSON object.'
      const wrong = {
        unknown: `is not a field of this file; there are ${list}`,
        text: 'must be a text',
        choice: `must be one of ${list}`,
        missing: 'is missing, and the other fields need it',
        address:
          'must be an address (https://…), a path on this site (/…), for an identity pool its id (region:…), for a runtime its ARN',
        door: `belongs to the door ${list} only`,
      }
      return `config.json: the field “${field}” ${wrong[kind]}.`
    },
    fix: 'Correct the file beside this page and reload. docs/hosting.md explains every field.',
  },
  door: {
    label: 'The way to the council',
    name: ({ door, sign, service }, host) => {
      const how = {
        none: '',
        bearer: ', with a token',
        sigv4: ', signed with keys of an identity pool',
        'content-sha256': ', with the hash of each request',
      }[sign]
      if (door === 'server') return `a MAGI server at ${host}${how}`
      if (service === 'bedrock-agentcore' || host.includes('agentcore'))
        return `AgentCore at ${host}${how}`
      return `${host}${how}`
    },
    reaching: (host) =>
      `Reaching the council at ${host}. A first call may wake it and take some seconds.`,
  },
  way: (found) => {
    switch (found.kind) {
      case 'gave_up':
        return {
          what: `A hop on the way gave up waiting${found.seconds === undefined ? '' : ` after ${found.seconds.toFixed(0)} s`} (504). The council answers in pieces from the first second, so this hop holds the answer back until it is whole, and its patience ends before that.`,
          fix: 'Call the Function URL or AgentCore from the browser directly: set base in config.json. A hosting proxy (an SSR route, a rewrite) cannot stream.',
        }
      case 'web_page':
        return {
          what: `${found.where} answered with a web page, not with the council.`,
          fix: 'base in config.json names the wrong address, or the hosting rewrites it to index.html.',
        }
      case 'wrong_path':
        return {
          what: `There is no council at ${found.where} (404).`,
          fix: 'Check base and runtime in config.json: the path must end in /invocations, and the region must be the one of the runtime.',
        }
      case 'cors':
        return {
          what: `${found.host} is there, but does not allow this page to read its answers (CORS).`,
          fix: `Allow the origin ${found.origin}, the method POST and the headers authorization, content-type, x-amz-date, x-amz-security-token, x-amz-content-sha256 and x-amzn-bedrock-agentcore-runtime-session-id there.`,
        }
      case 'blocked':
        return {
          what: `This page's own content security policy forbids calling ${found.host}.`,
          fix: 'Add its origin to connect-src in the headers the hosting sends with the page.',
        }
      case 'unreachable':
        return {
          what: `${found.host} does not answer.`,
          fix: 'Check base and region in config.json, and whether this machine has a network.',
        }
      case 'clock':
        return {
          what: `The signature was refused because of its time: ${found.message}`,
          fix: "Set this machine's clock. The page corrects it by the Date header, which the door must expose to it (CORS: expose date).",
        }
      case 'signature':
        return {
          what: `The signature was refused (403): ${found.message}`,
          fix: 'Check region, service and identity_pool in config.json. A proxy on the way that changes path, host or headers breaks signatures: call the door directly.',
        }
      case 'forbidden':
        return {
          what: `The door does not let this page in (403): ${found.message}`,
          fix: "The identity pool's role needs both lambda:InvokeFunctionUrl and lambda:InvokeFunction (or bedrock-agentcore:InvokeAgentRuntime), and sign in config.json must be what the door asks for.",
        }
      case 'identity':
        return {
          what: `The identity pool gives no keys: ${found.message}`,
          fix: 'Check identity_pool in config.json, that the pool lets guests in, and that it has a role for them.',
        }
      case 'token':
        return {
          what: 'The door does not accept the token: it is missing, expired, or of another provider.',
          fix: 'Reload and enter a new one.',
        }
      case 'throttled':
        return {
          what: 'The door is limiting requests (429).',
          fix: 'Wait a little; if it stays, raise the concurrency of the function or the quota.',
        }
      case 'too_large':
        return {
          what: 'The answer was too large for a hop that holds it back until it is whole (413).',
          fix: 'Set the Function URL to RESPONSE_STREAM; buffered answers end at 6 MB.',
        }
      case 'refused_whole':
        return {
          what: `After ${found.seconds.toFixed(0)} s without a word there was no answer (502). What streams gives a sign every 2 s, so the answer was held back until it was whole, and then it was refused: above 6 MB it always is.`,
          fix: "Set the Function URL to RESPONSE_STREAM. If it is, the function's log says why it failed.",
        }
      case 'function_failed':
        return {
          what: 'The function failed before it answered (502).',
          fix: 'Its log says why: most often a missing permission, a wrong runtime ARN, or memory.',
        }
      case 'container_failed':
        return {
          what: 'AgentCore reached the container, and the container failed (424).',
          fix: "The runtime's log says why: most often it did not start, or has no permission for its model.",
        }
      case 'cut_for_good':
        return {
          what: 'The connection broke, and this door keeps nothing to go on from. What was said until then stays here.',
          fix: 'Ask again.',
        }
      case 'nothing_came':
        return {
          what: 'The answer broke off before its first word. The question may be deliberated all the same, so it is not asked again by itself.',
          fix: 'Ask again if you want it deliberated (and paid for) once more.',
        }
      case 'deadline_too_short':
        return {
          what: 'Two calls in a row ran out of time before a single sage had voted. Going on would repeat that for ever.',
          fix: "Raise the function's timeout (up to 15 minutes), or choose faster models.",
        }
      case 'no_state':
        return {
          what: "The function's time ran out, and it has no key to sign what was reached. What was said until then stays here.",
          fix: 'Give the function MAGI_STATE_KEY (at least 32 bytes), or raise its timeout (up to 15 minutes); then ask again.',
        }
      case 'not_kept':
        return {
          what: 'This browser keeps no copy of this deliberation: it was asked in another browser, deleted, or cleared by the browser.',
          fix: 'Open it where it was asked, or ask again.',
        }
    }
  },
  held: ({ kind, heldMs }) => ({
    what:
      kind === 'whole'
        ? `The way to the council holds answers back: everything came at once after ${(heldMs / 1000).toFixed(0)} s, though the council spoke all that time.`
        : `The way to the council holds answers back: they come in lumps, up to ${(heldMs / 1000).toFixed(0)} s after they were said.`,
    fix: 'A hop on the way buffers: a hosting proxy, or a Function URL that is BUFFERED. Set the Function URL to RESPONSE_STREAM, and let the browser call it without the proxy.',
  }),
  noWord: (seconds) =>
    `no word yet after ${seconds} s; a council that is awake gives a sign every 2 s, so it is still starting, or a hop on the way holds the answer back`,
  own: {
    note: 'Kept in this browser only: the door keeps no history. Save the record of what matters.',
    promised: {
      kept: 'The browser has promised not to clear it by itself.',
      may_be_cleared: 'The browser may clear it when its disk runs short.',
      unknown: 'Whether the browser may clear it, it does not say.',
    },
    unkept: {
      full: 'This browser has no room left: what happens now is shown, but not kept. Delete older deliberations, or save the record.',
      unavailable:
        'This browser lets the page keep nothing (a private window, or site data is switched off). Save the record before you leave.',
    },
    save: (format) => `Save as ${format}`,
    saveFailed: (message) => `The record could not be made: ${message}`,
    goneOn: (parts) =>
      `The time of one call ended ${parts === 1 ? 'once' : `${parts} times`}; the deliberation went on by itself with the votes that were in.`,
  },
  answers: {
    rehearsal: 'Rehearsal answers here: written scenes, no model.',
    rehearsalHow: 'To connect a model, set one variable and start again, for example',
    models: (list) => `Answered by ${list}`,
    unknown: 'The server does not say what answers here.',
  },

  scenes: {
    title: 'Watch a rehearsal',
    note: 'Written scenes, played live. No account, no model, no cost.',
    play: 'Play the scene:',
    none: 'This server has no scenes.',
  },
  history: {
    title: 'Earlier deliberations',
    none: 'Nothing has been deliberated here yet.',
    open: (question) => `Open: ${question}`,
    failed: 'The history could not be read.',
    more: 'Show older ones',
  },
  mode: {
    rehearsal: 'REHEARSAL',
    rehearsalNote: 'These answers were written beforehand. No model was asked.',
    unheard: 'They know nothing of your context or notes.',
    replay: 'REPLAY',
    replayNote: 'What happened is being played back. Nothing is being asked.',
  },

  phase: {
    label: 'Progress',
    sages: 'Sages',
    tally: 'Tally',
    judge: 'Judge',
    verdict: 'Verdict',
  },
  lane: {
    waiting: 'waiting',
    connecting: 'connecting',
    thinking: 'thinking',
    writing: 'writing',
    retrying: (trouble) =>
      trouble.retryIn === undefined
        ? `attempt ${trouble.attempt} failed, trying again`
        : `attempt ${trouble.attempt} failed, trying again in ${trouble.retryIn.toFixed(1)} s`,
    done: 'has voted',
    failed: 'gave no vote',
    stopped: 'stopped',
    attempt: (attempt) => `attempt ${attempt}`,
    thoughts: 'Thinking',
    past: (attempt) => `Attempt ${attempt}, given up`,
    replaced: (attempt) => `Attempt ${attempt}, replaced`,
    expand: (name) => `Enlarge ${name}`,
    shrink: (name) => `Show ${name} beside the others`,
    latest: 'Latest',
    newLines: (count) => (count === 1 ? '1 new line' : `${count} new lines`),
    text: (name) => `What ${name} says`,
    choose: 'Show',
    nothingSaid: 'Nothing was said.',
    firstWord: (time) => `first word ${time}`,
  },
  judgeWaits: (votes, of) => `Waiting for the sages: ${votes} of ${of} votes are in.`,
  judgeNotCalled: 'The judge was not called.',
  judgeOrder: 'The judge sees no names',
  judgeSees: (letter) => `Sage ${letter} =`,

  verdict: {
    title: 'Verdict',
    reason: 'Why',
    judgeReason: 'The judge’s reason',
    wholeReason: 'The whole reason',
    recommendation: 'Recommended',
    dissent: 'Strongest objection to this verdict',
    dissentBy: (name) => `Strongest objection to this verdict, from ${name}`,
    noDissent: 'No objection to this verdict was recorded.',
    conditions: 'Conditions',
    conditionsIf: 'Conditions, if it goes ahead anyway',
    wouldChange: 'What would change it',
    scores: 'Weight of the arguments, 0 to 100',
    missing: 'Missing',
    degraded: 'Degraded: part of the council is missing',
    votes: 'Votes',
    counts: { APPROVED: 'approved', REJECTED: 'rejected', ABSTAINED: 'abstained' },
    sum: ({ approved, rejected, abstained }) =>
      some([
        approved > 0 && `${approved} for`,
        rejected > 0 && `${rejected} against`,
        abstained > 0 && `${abstained} abstained`,
      ]).join(', '),
    rule: 'Rule',
    rules: {
      majority: 'majority of the votes',
      unanimous: 'all alike, or no decision',
      judge: 'the judge decides',
      veto: (name) => `majority, and a rejection by ${name} rejects`,
    },
    agrees: 'The judge agrees with the votes.',
    disagrees: 'The judge disagrees with the votes. The votes decided.',
    overruled: 'The judge overruled the votes.',
    votesStand: 'The votes decided.',
    confidence: 'Confidence',
    confidenceWord: (value) => (value >= 0.8 ? 'high' : value >= 0.5 ? 'medium' : 'low'),
    notGiven: 'not given',
    record: 'Record',
    again: 'Ask again',
    replay: 'Replay',
    goOn: 'Go on',
    sagesAnswered: (count, of) => `${count} of ${of} sages voted`,
    stoppedBy: (by) =>
      by === 'user'
        ? 'Stopped by you'
        : by === 'unwatched'
          ? 'Ended because nobody was watching'
          : by === 'budget'
            ? 'Ended at its budget'
            : `Stopped by ${by}`,
    stoppedNote: 'What was said until then is kept. There is no verdict.',
    failed: 'The deliberation failed. There is no verdict.',
  },
  cause: {
    own: 'weighed it and abstained',
    rehearsal: 'no model is connected, so there is no opinion to give',
    refused: 'the model refused to answer',
    failed: 'the provider failed',
    timeout: 'ran out of time',
    unparsable: 'the answer held no readable vote',
    stopped: 'was stopped',
  },
  trouble: (code) =>
    ({
      throttled: 'the provider is limiting requests',
      overloaded: 'the provider is overloaded',
      unauthorised: 'the provider refused the key',
      not_found: 'the provider does not know this model',
      truncated: 'the answer was cut off',
      filtered: 'the provider filtered the answer',
      unparsable: 'the answer could not be read',
      refused: 'the model refused to answer',
      network: 'the connection to the provider broke',
      stopped: 'was stopped',
      late: 'too late: the others had a quorum',
      votes_changed: 'the votes changed, so it is judged anew',
      panel_failed: 'fewer than two of the panel answered',
      circuit_open: 'the provider keeps failing and is left alone for a while',
      untrusted: 'the provider could not be trusted (TLS)',
      malformed: 'the answer broke the format',
      empty: 'the answer was empty',
      bad_request: 'the provider did not accept the request',
      internal: 'a fault of MAGI itself',
      deadline: "the call's time ended",
      'timeout:connect': 'no connection in time',
      'timeout:first_token': 'no first word in time',
      'timeout:idle': 'fell silent',
      'timeout:total': 'ran out of time',
    })[code] ?? code,

  newQuestion: 'New question',
  stop: 'Stop',
  stopping: 'Stopping',
  connection: {
    connecting: 'connecting',
    live: 'live',
    resumed: 'live again, nothing was lost',
    waiting: (seconds) =>
      seconds > 0 ? `connection lost, next try in ${seconds} s` : 'connection lost, trying again',
    busy: (message, seconds) => `${message}; next try in ${seconds} s`,
    offline: 'this machine is offline; it goes on when the network is back',
    over: 'finished',
    paused: 'paused',
    closed: 'closed',
    failed: 'connection failed',
    now: 'Try now',
    retry: 'Try again',
  },
  playback: {
    label: 'Playback',
    speed: 'Speed',
    end: 'Show the end',
    play: 'Play',
    hold: 'Halt',
    moment: 'Moment',
    instant: 'Instant',
  },

  say: {
    convened: (mode) => `The council is convened.${mode === '' ? '' : ` ${mode}.`}`,
    goesOn: 'The time of one call ended. The deliberation goes on.',
    vote: (name, decision, confidence) => `${name}: ${decision}, confidence ${confidence}.`,
    missing: (name) => `${name} gave no vote.`,
    judging: 'All votes are counted. SOLOMON is judging.',
    panel: 'A panel judges in SOLOMON’s place.',
    verdict: (words) => `Verdict: ${words}.`,
    stopped: 'The deliberation was stopped.',
    reconnecting: 'Connection lost, reconnecting.',
    resumed: 'Connected again.',
  },
  problem: {
    notFound: 'This deliberation is gone, or was never here. The question can be asked again.',
    noAnswer: 'The server does not answer. Is magi serve still running?',
    refused: (message) => `The server refused: ${message}`,
    unauthorised: 'The server wants a token, or does not accept this page.',
    gap: 'The log has a hole that reading again did not mend.',
    code: (code) => `(${code})`,
    page: (message) =>
      `The page has a fault: ${message}. The deliberation goes on; reloading shows it.`,
    reload: 'Reload',
    unloaded: 'This part of the page could not be loaded. Try again, or reload.',
  },

  nav: {
    label: 'Screens',
    ask: 'Ask',
    history: 'History',
    presets: 'Presets',
    connection: 'Connection',
    views: 'Views of this deliberation',
    deliberation: 'Deliberation',
    trace: 'Trace',
    follow: 'Follow-up question',
    all: 'Show all',
    loading: 'Loading',
    title: {
      history: 'History',
      presets: 'Presets',
      preset: 'Preset',
      connection: 'Connection check',
      compare: 'Compare',
      deliberation: 'Deliberation',
      trace: 'Trace',
    },
  },
  carry: {
    again: 'Asked again',
    follow: 'Follows up on',
    againNote: 'A new deliberation, linked to the earlier one. You may change the question.',
    followNote: 'The sages are told the earlier question and its verdict.',
    context: 'What goes along',
    drop: 'Ask without it',
  },
  deleting: {
    label: 'Deletions',
    soon: 'will be deleted in 10 s. Until then nothing is lost: whoever closes the page keeps it.',
    undo: 'Undo',
    failed: (why) => `could not be deleted: ${why}`,
    again: 'Try again',
    close: 'Close',
  },
  room,

  seconds: (value) => (value < 60 ? `${value.toFixed(1)} s` : clock(value)),
  tokens: (value) => `${number.format(value)} tokens`,
  estimated: 'estimated',
  aside: (text) => ` (${text})`,
  cost: (usd) => `${usd === 0 ? '0' : usd.toFixed(usd < 0.1 ? 4 : 2)} USD`,
  noCost: 'price not known',
  when: (at) => time.format(at),
}

function clock(seconds: number): string {
  const whole = Math.floor(seconds)
  return `${Math.floor(whole / 60)} min ${whole % 60} s`
}
