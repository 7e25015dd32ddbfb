//! What can be wrong on the way to a model, what the doctor says of it, and the one fix for each.
//!
//! `docs/doctor.md` and `docs/doctor.ja.md` are this table; a test holds them to it. A word in braces
//! is filled in.

use crate::show::words::Lang;

use super::Outcome;

/// A hop on the way to a model, in the order in which a request passes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Hop {
    Address,
    Dns,
    Connect,
    Tls,
    Page,
    Config,
    Pool,
    Proxy,
    Cors,
    Door,
    Caller,
    Function,
    Runtime,
    Container,
    Version,
    Stream,
    Model,
}

impl Hop {
    /// Returns the hop's name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Hop::Address => "address",
            Hop::Dns => "dns",
            Hop::Connect => "connect",
            Hop::Tls => "tls",
            Hop::Page => "page",
            Hop::Config => "config",
            Hop::Pool => "pool",
            Hop::Proxy => "proxy",
            Hop::Cors => "cors",
            Hop::Door => "door",
            Hop::Caller => "caller",
            Hop::Function => "function",
            Hop::Runtime => "runtime",
            Hop::Container => "container",
            Hop::Version => "version",
            Hop::Stream => "stream",
            Hop::Model => "model",
        }
    }
}

/// One thing that can be wrong.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Its name, as in `--json`.
    pub(crate) name: &'static str,
    pub(crate) hop: Hop,
    pub(crate) outcome: Outcome,
    says: [&'static str; 2],
    fix: [&'static str; 2],
}

impl Fault {
    /// Finds this fault; `values` fill the words in braces. They are what others say, or names, which are the same in
    /// every language; words of our own come by [`Found::in_words`].
    pub(crate) fn found(&'static self, values: &[(&'static str, &str)]) -> Box<Found> {
        let alike = |(name, value): &(&'static str, &str)| {
            (*name, [(*value).to_owned(), (*value).to_owned()])
        };
        Box::new(Found {
            fault: self,
            values: values.iter().map(alike).collect(),
        })
    }
}

/// Words of our own in English and in Japanese.
pub(crate) type Words = [&'static str; 2];

/// That nothing came for too long.
pub(crate) const SILENCE: Words = ["silence", "応答が途絶えた"];

const fn of(lang: Lang) -> usize {
    match lang {
        Lang::En => 0,
        Lang::Ja => 1,
    }
}

/// A fault as it was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) fault: &'static Fault,
    values: Vec<(&'static str, [String; 2])>,
}

impl Found {
    /// Fills one more word in braces with words of our own.
    pub(crate) fn in_words(mut self: Box<Self>, name: &'static str, words: Words) -> Box<Self> {
        self.values.push((name, words.map(str::to_owned)));
        self
    }

    /// Returns what was found.
    pub(crate) fn says(&self, lang: Lang) -> String {
        self.fill(lang, self.fault.says[of(lang)])
    }

    /// Returns the one fix.
    pub(crate) fn fix(&self, lang: Lang) -> String {
        self.fill(lang, self.fault.fix[of(lang)])
    }

    fn fill(&self, lang: Lang, text: &str) -> String {
        self.values
            .iter()
            .fold(text.to_owned(), |text, (name, values)| {
                text.replace(&format!("{{{name}}}"), &values[of(lang)])
            })
    }
}

macro_rules! faults {
    ($($id:ident $name:literal $hop:ident $outcome:ident
        en $says:literal => $fix:literal
        ja $says_ja:literal => $fix_ja:literal;)*) => {
        $(pub(crate) static $id: Fault = Fault {
            name: $name,
            hop: Hop::$hop,
            outcome: Outcome::$outcome,
            says: [$says, $says_ja],
            fix: [$fix, $fix_ja],
        };)*
        /// Every fault the doctor knows.
        #[cfg(test)]
        static ALL: &[&Fault] = &[$(&$id),*];
    };
}

faults! {
    ADDRESS "address" Address Fail
    en "{why}" => "write the address with its scheme, as in https://magi.example"
    ja "{why}" => "https://magi.example のように、スキームから書いてください";
    REGION_APART "region-apart" Address Fail
    en "the host is in {host_region}, the runtime's ARN in {arn_region}"
        => "call the host of the ARN's region: bedrock-agentcore.{arn_region}.amazonaws.com"
    ja "ホストは {host_region}、ランタイムの ARN は {arn_region} のものです"
        => "ARN のリージョンのホスト bedrock-agentcore.{arn_region}.amazonaws.com を呼んでください";
    DNS "dns" Dns Fail
    en "no address is known for {host} ({why})"
        => "check the host's name for typing errors, and that what it names still exists"
    ja "{host} のアドレスが見つかりません（{why}）"
        => "ホスト名の綴りと、その名前の指す先がまだ存在するかを確かめてください";
    REFUSED "refused" Connect Fail
    en "nothing listens at {peer}" => "start what should listen there, or correct the port"
    ja "{peer} で待ち受けているものがありません" => "待ち受けるはずのプロセスを起動するか、ポートを直してください";
    UNREACHABLE "unreachable" Connect Fail
    en "{peer} does not answer ({why})"
        => "open the way there: firewall, security group, VPN or proxy"
    ja "{peer} から応答がありません（{why}）"
        => "ファイアウォール、セキュリティグループ、VPN、プロキシなど、そこまでの経路を開けてください";
    TLS_NONE "tls-none" Tls Fail
    en "{host} speaks no TLS on this port ({why})"
        => "write http:// instead of https://, or give the port that speaks TLS"
    ja "{host} のこのポートは TLS を話しません（{why}）"
        => "https:// を http:// に直すか、TLS のポートを指定してください";
    TLS_CERTIFICATE "tls-certificate" Tls Fail
    en "the certificate of {host} is not accepted ({why})"
        => "give the host a valid certificate for this name; behind a company's proxy, let this machine trust the company's authority"
    ja "{host} の証明書を受け入れられません（{why}）"
        => "この名前の有効な証明書をホストに入れてください。社内プロキシの背後なら、社内の認証局をこのマシンに信頼させてください";
    PAGE_MISSING "page-missing" Page Fail
    en "there is a config.json, but no page ({what})"
        => "upload the page's files beside config.json"
    ja "config.json はありますが、ページがありません（{what}）"
        => "ページのファイルを config.json と同じ場所にアップロードしてください";
    PAGE_OLD "page-old" Page Warn
    en "the page is not the one of version {version}{age}"
        => "upload the page of this version, then invalidate the CDN's copy of /index.html"
    ja "ページがバージョン {version} のものではありません{age}"
        => "このバージョンのページをアップロードし、CDN にある /index.html のコピーを無効化してください";
    PAGE_POLICY "page-policy" Page Fail
    en "the page's content security policy does not let it call {origins}"
        => "add {origins} to `connect-src` of the policy that the hosting sends with the page"
    ja "ページのコンテンツセキュリティポリシーが {origins} の呼び出しを許していません"
        => "ホスティングがページに付けるポリシーの `connect-src` に {origins} を加えてください";
    CONFIG_INVALID "config-invalid" Config Fail
    en "config.json cannot be used: {why}"
        => "correct config.json: docs/hosting.md has every field and an example for each way"
    ja "config.json が使えません: {why}"
        => "config.json を直してください。全項目と経路ごとの例が docs/hosting.ja.md にあります";
    CONFIG_CACHED "config-cached" Config Warn
    en "config.json may be kept for {seconds} s by browsers and the CDN"
        => "serve config.json and index.html with `cache-control: no-cache`"
    ja "config.json がブラウザと CDN に{seconds}秒間残ることがあります"
        => "config.json と index.html は `cache-control: no-cache` を付けて配信してください";
    CONFIG_DOOR "config-door" Config Fail
    en "config.json names a door that is none: {url} ({why})"
        => "correct `base` or `runtime` in config.json"
    ja "config.json の指す先が入口ではありません: {url}（{why}）"
        => "config.json の `base` または `runtime` を直してください";
    CONFIG_MIXED "config-mixed" Config Fail
    en "the page comes by https, and config.json names {url}: browsers refuse that"
        => "give the door https, and write https:// in `base`"
    ja "ページは https で配信されていますが、config.json は {url} を指しています。ブラウザはそれを拒否します"
        => "入口を https にして、`base` に https:// と書いてください";
    POOL "pool" Pool Fail
    en "the identity pool {pool} gives no keys ({why})"
        => "correct `identity_pool` and its region in config.json, and let the pool have guests with a role"
    ja "ID プール {pool} が認証情報を渡しません（{why}）"
        => "config.json の `identity_pool` とそのリージョンを直し、プールでゲストとそのロールを有効にしてください";
    TIME_LIMIT "time-limit" Proxy Fail
    en "a hop before the door gave up after {seconds} s (504)"
        => "take the hosting's proxy out of the way: let the page call the Function URL or AgentCore itself (`base` in config.json)"
    ja "入口の手前の中継が{seconds}秒であきらめました（504）"
        => "ホスティングのプロキシを経路から外し、ページから Function URL または AgentCore を直接呼ばせてください（config.json の `base`）";
    PROXY_FAILED "proxy-failed" Proxy Fail
    en "a hop before the door answers {status} by itself"
        => "look into that proxy's log: what it forwards to does not answer it"
    ja "入口の手前の中継が自分で {status} を返しています"
        => "その中継のログを見てください。転送先が応答していません";
    PROXY_DENIES "proxy-denies" Proxy Fail
    en "a hop before the door refuses the call by itself (403)"
        => "let the rules of that CDN or firewall pass a POST to this path: its log names the rule that refused it"
    ja "入口の手前の中継が自分で呼び出しを拒否しています（403）"
        => "その CDN またはファイアウォールのルールで、このパスへの POST を通してください。拒否したルールはその中継のログに出ています";
    REDIRECT "redirect" Proxy Fail
    en "{url} redirects to {location} ({status}), and a redirected question arrives without its body or its signature"
        => "use the address {location} itself, here and in config.json"
    ja "{url} は {location} へ転送しています（{status}）。転送された問いは、本文や署名を失って届きます"
        => "ここでも config.json でも、転送先の {location} を直接指定してください";
    CUT "cut" Proxy Fail
    en "the connection is closed before an answer ({why})"
        => "look into the log of what listens at {host}: it takes connections and ends them"
    ja "応答の前に接続が閉じられます（{why}）"
        => "{host} で待ち受けているもののログを見てください。接続を受けてから切っています";
    SILENT "silent" Proxy Fail
    en "no answer within {seconds} s"
        => "look into the log of what listens at {host}: it takes requests and says nothing"
    ja "{seconds}秒以内に応答がありません"
        => "{host} で待ち受けているもののログを見てください。リクエストを受けたまま何も返していません";
    PROXY_BUFFERS "proxy-buffers" Proxy Fail
    en "a hop holds the stream back: {frames} frames sent over {sent} ms arrived within {arrived} ms"
        => "switch off response buffering in the proxy before the door (nginx: proxy_buffering off); a hosting that cannot has to be left out: let the page call the door itself"
    ja "中継がストリームを溜め込んでいます: {sent} ms かけて送られた {frames} フレームが {arrived} ms で届きました"
        => "入口の手前のプロキシで応答のバッファリングを切ってください（nginx なら proxy_buffering off）。切れないホスティングは経路から外し、ページから入口を直接呼ばせてください";
    CORS_ORIGIN "cors-origin" Cors Fail
    en "pages of {origin} may not call: the preflight is answered {status} without them"
        => "add {origin} to {setting}"
    ja "{origin} のページからは呼べません: プリフライトの応答（{status}）にこのオリジンがありません"
        => "{setting}に {origin} を加えてください";
    CORS_TWICE "cors-twice" Cors Fail
    en "`access-control-allow-origin` stands {times} times, which browsers refuse"
        => "let only one of them answer for other origins: the Function URL's CORS, or what stands behind it"
    ja "`access-control-allow-origin` が{times}回あり、ブラウザはそれを拒否します"
        => "CORS の応答は、Function URL の設定か、その背後のものか、どちらか一方だけにさせてください";
    CORS_METHOD "cors-method" Cors Fail
    en "pages of {origin} may not send {method}" => "add {method} to the allowed methods of {setting}"
    ja "{origin} のページは {method} を送れません" => "{setting}の許可メソッドに {method} を加えてください";
    CORS_HEADER "cors-header" Cors Fail
    en "pages of {origin} may not send the header `{header}`"
        => "add `{header}` to the allowed headers of {setting}"
    ja "{origin} のページはヘッダー `{header}` を送れません"
        => "{setting}の許可ヘッダーに `{header}` を加えてください";
    CORS_EXPOSE "cors-expose" Cors Warn
    en "pages of {origin} cannot read the header `{header}`"
        => "add `{header}` to the exposed headers of {setting}"
    ja "{origin} のページはヘッダー `{header}` を読めません"
        => "{setting}の公開ヘッダーに `{header}` を加えてください";
    PATH "path" Door Fail
    en "{url} is no door of MAGI ({what})" => "call {door} instead"
    ja "{url} は MAGI の入口ではありません（{what}）" => "代わりに {door} を呼んでください";
    NO_DOOR "no-door" Door Fail
    en "{url} is no door of MAGI ({what}), and no path near it is"
        => "check host and path: the door is POST /invocations, or /api/invocations behind a hosting's proxy"
    ja "{url} もその近くのパスも、MAGI の入口ではありません（{what}）"
        => "ホストとパスを確かめてください。入口は POST /invocations、ホスティングのプロキシの背後では /api/invocations です";
    REFUSES "refuses" Door Fail
    en "the door refuses: {message}" => "{fix}"
    ja "入口が拒否しています: {message}" => "{fix}";
    UNSIGNED "unsigned" Caller Fail
    en "the door takes signed requests only ({what})"
        => "sign for AWS: --sign sigv4 here, `sign` and `identity_pool` in a page's config.json"
    ja "この入口は署名付きのリクエストだけを受けます（{what}）"
        => "AWS の署名を付けてください。ここでは --sign sigv4、ページでは config.json の `sign` と `identity_pool` です";
    NO_CREDENTIALS "no-credentials" Caller Fail
    en "{why}"
        => "sign in (`aws sso login`, AWS_PROFILE), or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    ja "AWS の認証情報がありません（{why}）"
        => "サインイン（`aws sso login`、AWS_PROFILE）するか、AWS_ACCESS_KEY_ID と AWS_SECRET_ACCESS_KEY を設定してください";
    KEYS_UNKNOWN "keys-unknown" Caller Fail
    en "AWS does not know the access key, or its session token is missing ({what})"
        => "correct AWS_ACCESS_KEY_ID; a key that begins with ASIA needs its AWS_SESSION_TOKEN too"
    ja "AWS がアクセスキーを知らないか、セッショントークンがありません（{what}）"
        => "AWS_ACCESS_KEY_ID を直してください。ASIA で始まるキーには AWS_SESSION_TOKEN も必要です";
    KEYS_EXPIRED "keys-expired" Caller Fail
    en "the keys have expired ({what})" => "fetch new ones: `aws sso login`, or however you got them"
    ja "認証情報の期限が切れています（{what}）" => "`aws sso login` など、入手したときと同じ方法で取り直してください";
    CLOCK "clock" Caller Fail
    en "this machine's clock and AWS's are apart: {what}" => "set this machine's clock"
    ja "このマシンの時計と AWS の時計がずれています: {what}" => "このマシンの時計を合わせてください";
    REGION "region" Caller Fail
    en "the signature is for {region}, which is not the endpoint's region"
        => "sign for the endpoint's region: --region here, `region` in a page's config.json"
    ja "署名の対象リージョン {region} が、エンドポイントのリージョンと違います"
        => "エンドポイントのリージョンで署名してください。ここでは --region、ページでは config.json の `region` です";
    SERVICE "service" Caller Fail
    en "the signature is for {service}, the endpoint is {wanted}"
        => "sign for {wanted}: --service here, `service` in a page's config.json"
    ja "署名の対象サービスは {service} ですが、エンドポイントは {wanted} のものです"
        => "{wanted} で署名してください。ここでは --service、ページでは config.json の `service` です";
    SECRET "secret" Caller Fail
    en "the signature does not match, and nothing was changed on the way"
        => "correct AWS_SECRET_ACCESS_KEY: it does not belong to the access key"
    ja "署名が一致しません。途中で書き換えられたものはありません"
        => "AWS_SECRET_ACCESS_KEY を直してください。アクセスキーと対になっていません";
    HOST_REWRITTEN "host-rewritten" Caller Fail
    en "the signature does not match: {sent} was sent as host, and {arrived} arrived"
        => "call {arrived} itself, or let the proxy pass the host on unchanged"
    ja "署名が一致しません: ホスト {sent} で送ったものが {arrived} として届いています"
        => "{arrived} を直接呼ぶか、プロキシにホストをそのまま渡させてください";
    BODY_REWRITTEN "body-rewritten" Caller Fail
    en "the signature does not match: another body arrived than was sent"
        => "let the proxy on the way pass the body on byte for byte"
    ja "署名が一致しません: 送った本文と違う本文が届いています"
        => "途中のプロキシに、本文を 1 バイトも変えずに渡させてください";
    SIGNATURE "signature" Caller Fail
    en "the signature does not match ({what})"
        => "check the secret key, and that no proxy on the way changes host, path or body"
    ja "署名が一致しません（{what}）"
        => "シークレットキーと、途中のプロキシがホスト・パス・本文を書き換えていないことを確かめてください";
    PERMISSION "permission" Caller Fail
    en "{who} may not do {action}" => "allow {who} {action} on {resource}"
    ja "{who} には {action} の許可がありません" => "{who} に {resource} への {action} を許可してください";
    PERMISSIONS_URL "permissions-url" Caller Fail
    en "the signature is not refused, its owner is (403 Forbidden)"
        => "allow the caller both lambda:InvokeFunctionUrl and lambda:InvokeFunction on the function: one alone is refused like none"
    ja "署名は正しいのですが、呼び出し元が拒否されています（403 Forbidden）"
        => "呼び出し元に、この関数への lambda:InvokeFunctionUrl と lambda:InvokeFunction の両方を許可してください。片方だけでは、どちらもないのと同じく拒否されます";
    WANTS_TOKEN "wants-token" Caller Fail
    en "the runtime takes bearer tokens, and this was signed or had none ({what})"
        => "send a token of its identity provider: --sign bearer with MAGI_TOKEN, `\"sign\": \"bearer\"` in a page's config.json"
    ja "このランタイムはベアラートークンを受けますが、署名付きかトークンなしのリクエストでした（{what}）"
        => "その ID プロバイダーのトークンを送ってください。--sign bearer と MAGI_TOKEN、ページでは config.json の `\"sign\": \"bearer\"` です";
    WANTS_SIGNATURE "wants-signature" Caller Fail
    en "the runtime takes signed requests, and this had a token ({what})"
        => "sign for AWS: --sign sigv4 here, `sign` and `identity_pool` in a page's config.json, and no token"
    ja "このランタイムは署名付きのリクエストを受けますが、トークン付きのリクエストでした（{what}）"
        => "AWS の署名を付けてください。ここでは --sign sigv4、ページでは config.json の `sign` と `identity_pool` です。トークンは外してください";
    NO_TOKEN "no-token" Caller Fail
    en "the door wants a token" => "set MAGI_TOKEN to the token of this door"
    ja "この入口にはトークンが必要です" => "MAGI_TOKEN にこの入口のトークンを設定してください";
    TOKEN_EXPIRED "token-expired" Caller Fail
    en "the token has expired, {seconds} s ago" => "get a new token from the identity provider"
    ja "トークンの期限が{seconds}秒前に切れています" => "ID プロバイダーから新しいトークンを取得してください";
    TOKEN_REFUSED "token-refused" Caller Fail
    en "the token is refused ({what})"
        => "compare the token with what the door takes: the server's MAGI_TOKEN, or the runtime's issuer and clients"
    ja "トークンが拒否されました（{what}）"
        => "入口が受けるものとトークンを見比べてください。サーバーの MAGI_TOKEN、ランタイムなら発行者とクライアントです";
    FUNCTION "function" Function Fail
    en "the function failed or ran out of time (502)"
        => "read its log, /aws/lambda/ and its name: how it starts, its timeout, its memory"
    ja "関数が失敗したか、時間切れになりました（502）"
        => "関数のログ（/aws/lambda/関数名）で、起動の様子、タイムアウト、メモリを確かめてください";
    FUNCTION_BUFFERS "function-buffers" Function Fail
    en "the Function URL holds the stream back: {frames} frames sent over {sent} ms arrived within {arrived} ms"
        => "set the Function URL's InvokeMode to RESPONSE_STREAM: it is BUFFERED"
    ja "Function URL がストリームを溜め込んでいます: {sent} ms かけて送られた {frames} フレームが {arrived} ms で届きました"
        => "Function URL の InvokeMode を RESPONSE_STREAM にしてください。BUFFERED になっています";
    RUNTIME_UNKNOWN "runtime-unknown" Runtime Fail
    en "AgentCore has no such runtime or endpoint ({what})"
        => "compare ARN, account and qualifier with `aws bedrock-agentcore-control list-agent-runtimes` and `list-agent-runtime-endpoints`"
    ja "AgentCore にそのランタイムまたはエンドポイントがありません（{what}）"
        => "ARN、アカウント、qualifier を `aws bedrock-agentcore-control list-agent-runtimes` と `list-agent-runtime-endpoints` の結果と見比べてください";
    STARTING "starting" Runtime Fail
    en "the session is still being made (409), after {seconds} s of waiting"
        => "try again in some seconds; if it lasts, the container's log says what its start waits for"
    ja "{seconds}秒待っても、セッションがまだ準備中です（409）"
        => "数秒後にもう一度試してください。続くようなら、コンテナのログに起動が何を待っているかが出ています";
    THROTTLED "throttled" Runtime Fail
    en "too many calls or sessions of this account ({what})"
        => "wait and try again; if it lasts, shorten the runtime's idle timeout or raise the quota"
    ja "このアカウントの呼び出しかセッションが多すぎます（{what}）"
        => "待って再試行してください。続くようなら、ランタイムのアイドルタイムアウトを短くするか、クォータを上げてください";
    GATEWAY_PERMISSION "gateway-permission" Runtime Fail
    en "AgentCore does not let the gateway function in: {message}"
        => "allow the function's role bedrock-agentcore:InvokeAgentRuntime on the runtime and its endpoint"
    ja "AgentCore がゲートウェイの関数を拒否しています: {message}"
        => "関数のロールに、ランタイムとそのエンドポイントへの bedrock-agentcore:InvokeAgentRuntime を許可してください";
    GATEWAY_TARGET "gateway-target" Runtime Fail
    en "the gateway function calls a runtime that is not there: {message}"
        => "correct MAGI_UPSTREAM of the function: ARN, region and endpoint"
    ja "ゲートウェイの関数が存在しないランタイムを呼んでいます: {message}"
        => "関数の MAGI_UPSTREAM の ARN、リージョン、エンドポイントを直してください";
    CONTAINER "container" Container Fail
    en "the container failed (424 or no start)"
        => "read its log in /aws/bedrock-agentcore/runtimes/: `exec format error` is an image that is not arm64, silence one that does not listen on 0.0.0.0:8080"
    ja "コンテナが失敗しました（424、または起動しない）"
        => "/aws/bedrock-agentcore/runtimes/ のログを見てください。`exec format error` は arm64 でないイメージ、何も出ないなら 0.0.0.0:8080 で待ち受けていません";
    PING_MISSING "ping-missing" Container Fail
    en "GET /ping is answered {what}"
        => "answer GET /ping with 200 and {\"status\":\"Healthy\",\"time_of_last_update\":SECONDS}"
    ja "GET /ping の応答が契約と違います: {what}"
        => "GET /ping に、200 と {\"status\":\"Healthy\",\"time_of_last_update\":秒} で答えてください";
    PING_STATUS "ping-status" Container Fail
    en "/ping says `{status}`, which AgentCore does not know"
        => "say `Healthy` or `HealthyBusy`, with these capitals"
    ja "/ping の `{status}` は、AgentCore の知らない値です"
        => "`Healthy` または `HealthyBusy` と、大文字と小文字もこのとおりに答えてください";
    PING_TIME "ping-time" Container Fail
    en "`time_of_last_update` moves with each ping, so the session never counts as idle"
        => "let `time_of_last_update` move only when `status` changes"
    ja "`time_of_last_update` が ping のたびに進むので、セッションがアイドルになりません"
        => "`time_of_last_update` は、`status` が変わったときだけ進めてください";
    VERSION "version" Version Warn
    en "{theirs} answers there, this is {ours}" => "deploy one version on all hops"
    ja "向こうは {theirs}、こちらは {ours} です" => "すべての区間に同じバージョンをデプロイしてください";
    STREAM_ENDS "stream-ends" Stream Fail
    en "the stream ended after {frames} of {asked} frames ({why})"
        => "look into the log of the last hop that is ok above: it ends answers that go on"
    ja "ストリームが {asked} フレーム中 {frames} フレームで終わりました（{why}）"
        => "上で ok になっている最後の区間のログを見てください。続いている応答を打ち切っています";
    STREAM_HELD "stream-held" Stream Fail
    en "a hop keeps each frame until the next one comes: the door never heard that the first was seen"
        => "switch off response buffering in the proxy before the door (nginx: proxy_buffering off)"
    ja "中継が、次のフレームが来るまで各フレームを手放しません。最初のフレームが届いたという知らせが入口に届きませんでした"
        => "入口の手前のプロキシで応答のバッファリングを切ってください（nginx なら proxy_buffering off）";
    HEARTBEATS "heartbeats" Stream Warn
    en "the stream was silent for {seconds} s, and no heartbeat came"
        => "set MAGI_HEARTBEAT=2s where the council deliberates, so that no hop takes thinking for death"
    ja "ストリームが{seconds}秒間沈黙し、ハートビートも来ませんでした"
        => "評議を動かす側で MAGI_HEARTBEAT=2s を設定し、考え中の沈黙を途中の中継に切断と誤解させないでください";
    REHEARSAL "rehearsal" Model Warn
    en "rehearsal answers there: no model is configured"
        => "set MAGI_MODEL where the council deliberates, as in MAGI_MODEL=bedrock:ID"
    ja "リハーサルが答えています。モデルが設定されていません"
        => "評議を動かす側で、MAGI_MODEL=bedrock:ID のように MAGI_MODEL を設定してください";
    MODEL_ACCESS "model-access" Model Fail
    en "{agent}: {message}"
        => "give the side that deliberates access to the model: bedrock:InvokeModelWithResponseStream on model and inference profile, or the vendor's key"
    ja "{agent}: {message}"
        => "評議を動かす側にモデルの使用を許可してください。モデルと推論プロファイルへの bedrock:InvokeModelWithResponseStream、またはプロバイダーのキーです";
    MODEL_ID "model-id" Model Fail
    en "{agent}: {message}"
        => "correct MAGI_MODEL where the council deliberates: `aws bedrock list-inference-profiles` or `magi models` show the ids"
    ja "{agent}: {message}"
        => "評議を動かす側の MAGI_MODEL を直してください。ID は `aws bedrock list-inference-profiles` または `magi models` で分かります";
    MODEL "model" Model Fail
    en "{agent}: {message}" => "wait and ask again; if it lasts, `magi doctor` on the side that deliberates looks closer"
    ja "{agent}: {message}" => "待って再試行してください。続くようなら、評議を動かす側で `magi doctor` を実行すると、より詳しく分かります";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(lang: Lang) -> String {
        let mut out = String::new();
        for fault in ALL {
            let (says, fix) = (fault.says[of(lang)], fault.fix[of(lang)]);
            let (name, hop, outcome) = (fault.name, fault.hop.name(), fault.outcome.word());
            out += &format!("| `{name}` | {hop} | {outcome} | {says} | {fix} |\n");
        }
        out
    }

    /// The rows of the table, as the page has them; `UPDATE=1` writes them there.
    fn held(page: &str, lang: Lang) {
        let path = format!("{}/../../docs/{page}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap();
        let is_row = |line: &&str| line.starts_with("| `") && line.matches(" | ").count() == 4;
        let rows: String = text
            .lines()
            .filter(is_row)
            .map(|row| format!("{row}\n"))
            .collect();
        let wanted = table(lang);
        if rows != wanted && std::env::var_os("UPDATE").is_some() {
            let (before, after) = (text.split_once("|---|---|---|---|---|\n")).unwrap();
            let rest: String = after
                .lines()
                .filter(|line| !is_row(line))
                .map(|line| format!("{line}\n"))
                .collect();
            std::fs::write(
                &path,
                format!("{before}|---|---|---|---|---|\n{wanted}{rest}"),
            )
            .unwrap();
            return;
        }
        assert_eq!(rows, wanted, "{page}: UPDATE=1 writes the table");
    }

    #[test]
    fn the_documents_say_what_the_doctor_says() {
        held("doctor.md", Lang::En);
        held("doctor.ja.md", Lang::Ja);
    }

    #[test]
    fn every_fault_has_a_name_of_its_own_and_both_languages_fill_the_same_words() {
        let mut names: Vec<_> = ALL.iter().map(|fault| fault.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
        let words = |text: &str| {
            let mut words: Vec<_> = text
                .split('{')
                .skip(1)
                .filter_map(|rest| rest.split_once('}').map(|(word, _)| word.to_owned()))
                .filter(|word| {
                    word.chars()
                        .all(|letter| letter.is_ascii_lowercase() || letter == '_')
                })
                .collect();
            words.sort();
            words.dedup();
            words
        };
        for fault in ALL {
            assert_eq!(words(fault.fix[0]), words(fault.fix[1]), "{}", fault.name);
            assert_eq!(words(fault.says[0]), words(fault.says[1]), "{}", fault.name);
        }
    }
}
