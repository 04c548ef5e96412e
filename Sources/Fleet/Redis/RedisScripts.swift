// All scripts of the engine. Their texts stand beside each other in `RedisScript+….swift`.

/// Each made once.
struct RedisScripts: Sendable {
    let join, acquire, report, pause, leave, roll: RedisScript
    let invalidate, applied, awaited, watch: RedisScript
    let spend, giveBack, witness, takeSignIn, putSignIn, releaseSignIn, claim, settle: RedisScript

    init(clock: RedisScript.Clock = .server) {
        func script(_ text: String) -> RedisScript { RedisScript(text, clock: clock) }
        join = script(RedisScript.joinText)
        acquire = script(RedisScript.acquireText)
        report = script(RedisScript.reportText)
        pause = script(RedisScript.pauseText)
        leave = script(RedisScript.leaveText)
        roll = script(RedisScript.rollText)
        invalidate = script(RedisScript.invalidateText)
        applied = script(RedisScript.appliedText)
        awaited = script(RedisScript.awaitText)
        watch = script(RedisScript.watchText)
        spend = script(RedisScript.spendText)
        giveBack = script(RedisScript.giveBackText)
        witness = script(RedisScript.witnessText)
        takeSignIn = script(RedisScript.takeSignInText)
        putSignIn = script(RedisScript.putSignInText)
        releaseSignIn = script(RedisScript.releaseSignInText)
        claim = script(RedisScript.claimText)
        settle = script(RedisScript.settleText)
    }
}
