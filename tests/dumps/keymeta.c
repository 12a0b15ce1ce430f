/* A module that hangs metadata on keys, so that a real server writes opcode 243.  KM.SET key class(0|1) text */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
typedef void C; typedef void S; typedef void K; typedef void IO;
struct config { uint64_t version, flags, reset; int (*copy)(void*,uint64_t*); int (*rename)(void*,uint64_t*);
  int (*move)(void*,uint64_t*); void (*unlink)(void*,uint64_t*); void (*free)(const char*,uint64_t);
  int (*load)(IO*,uint64_t*,int); void (*save)(IO*,void*,uint64_t*); void (*aof)(IO*,void*,uint64_t);
  void *defrag,*mem,*effort; };
static int (*GetApi)(const char*, void*);
static int (*CreateClass)(C*, const char*, int, struct config*);
static int (*SetMeta)(int, K*, uint64_t);
static K *(*OpenKey)(C*, S*, int); static void (*CloseKey)(K*);
static const char *(*Ptr)(const S*, size_t*);
static int (*ReplyLL)(C*, long long);
static int (*CreateCommand)(C*, const char*, int(*)(C*,S**,int), const char*, int,int,int);
static void (*SetAttribs)(C*,const char*,int,int);
static void (*SaveUnsigned)(IO*,uint64_t); static void (*SaveBuf)(IO*,const char*,size_t); static void (*SaveFloat)(IO*,float); static void (*SaveDouble)(IO*,double); static void (*SaveSigned)(IO*,int64_t);
static char *(*LoadBuf)(IO*,size_t*);
static int class_id[2];
static void save(IO *io, void *v, uint64_t *m) { const char *s=(char*)*m; SaveBuf(io,s,strlen(s)); SaveUnsigned(io,300); SaveSigned(io,-1); SaveFloat(io,1.5); SaveDouble(io,2.5); }
static int load(IO *io, uint64_t *m, int ver) { return -1; }
static int set(C *c, S **v, int n) { K *k=OpenKey(c,v[1],3); const char *cl=Ptr(v[2],NULL);
  int r=SetMeta(class_id[cl[0]-'0'],k,(uint64_t)strdup(Ptr(v[3],NULL))); CloseKey(k); return ReplyLL(c,r); }
int RedisModule_OnLoad(C *ctx, S **argv, int argc) {
  GetApi=((void**)ctx)[0];
  GetApi("RedisModule_SetModuleAttribs",&SetAttribs);
  GetApi("RedisModule_CreateKeyMetaClass",&CreateClass); GetApi("RedisModule_SetKeyMeta",&SetMeta);
  GetApi("RedisModule_OpenKey",&OpenKey); GetApi("RedisModule_CloseKey",&CloseKey); GetApi("RedisModule_StringPtrLen",&Ptr);
  GetApi("RedisModule_ReplyWithLongLong",&ReplyLL); GetApi("RedisModule_CreateCommand",&CreateCommand);
  GetApi("RedisModule_SaveUnsigned",&SaveUnsigned); GetApi("RedisModule_SaveStringBuffer",&SaveBuf); GetApi("RedisModule_SaveFloat",&SaveFloat); GetApi("RedisModule_SaveDouble",&SaveDouble); GetApi("RedisModule_SaveSigned",&SaveSigned);
  if(!CreateClass||!SetMeta) return 1;
  SetAttribs(ctx,"keymeta",1,1);
  struct config c; memset(&c,0,sizeof c); c.version=1; c.flags=1; c.load=load; c.save=save;
  class_id[0]=CreateClass(ctx,"NSK0",1,&c); c.flags=0; class_id[1]=CreateClass(ctx,"NSK1",2,&c);
  if(class_id[0]<0||class_id[1]<0) return 1;
  return CreateCommand(ctx,"km.set",set,"write",1,1,1);
}
