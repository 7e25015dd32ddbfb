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

  sages: {
    caspar: { name: 'CASPAR', role: 'practical, risk first' },
    balthasar: { name: 'BALTHASAR', role: 'creative, people first' },
    melchior: { name: 'MELCHIOR', role: 'scientific, evidence first' },
  },
  judge: { name: 'SOLOMON', role: 'the judge' },

  token: {
    title: 'This server asks for a token',
    why: 'It is the MAGI_TOKEN the server was started with. It is kept as long as this tab.',
    label: 'Token',
    wrong: 'The server did not accept this token.',
    enter: 'Enter',
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
    recommendation: 'Recommended',
    dissent: 'Strongest dissent',
    dissentBy: (name) => `Strongest dissent, from ${name}`,
    noDissent: 'No dissent was recorded.',
    conditions: 'Conditions',
    wouldChange: 'What would change it',
    scores: 'Weight of the arguments, 0 to 100',
    missing: 'Missing',
    degraded: 'Degraded: part of the council is missing',
    votes: 'Votes: approved, rejected, abstained',
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
  playback: { label: 'Playback', speed: 'Speed', end: 'Show the end' },

  say: {
    convened: (mode) => `The council is convened.${mode === '' ? '' : ` ${mode}.`}`,
    vote: (name, decision, confidence) => `${name}: ${decision}, confidence ${confidence}.`,
    missing: (name) => `${name} gave no vote.`,
    judging: 'All votes are counted. SOLOMON is judging.',
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
  },

  seconds: (value) => (value < 60 ? `${value.toFixed(1)} s` : clock(value)),
  tokens: (value) => `${number.format(value)} tokens`,
  estimated: 'estimated',
  cost: (usd) => `${usd === 0 ? '0' : usd.toFixed(usd < 0.1 ? 4 : 2)} USD`,
  noCost: 'price not known',
  when: (at) => time.format(at),
}

function clock(seconds: number): string {
  const whole = Math.floor(seconds)
  return `${Math.floor(whole / 60)} min ${whole % 60} s`
}
