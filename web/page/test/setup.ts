/** The page is drawn once its texts are here; a test may choose either language. */
import { fetchWords } from '../src/words-here.ts'

await Promise.all([fetchWords('en'), fetchWords('ja')])
